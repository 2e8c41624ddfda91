// Files that are not there.

/** What stands for `ENOENT` and `ENOTDIR`; every other error goes on. */
export async function absentAs<T>(instead: T, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return instead
    throw error
  }
}

export function errnoOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? ''
}
