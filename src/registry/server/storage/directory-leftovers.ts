// What a crash leaves in a directory that nobody reads.
import { readdir, rmdir, stat, unlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DRAFT_SUFFIX } from '../../../base/atomic-file.ts'
import { absentAs } from './absent.ts'

/** Drafts, and folders of uploads that never got their file. */
export async function removeLeftovers(folder: string, before: number): Promise<number> {
  let count = 0
  const isOld = async (path: string) => ((await absentAs(undefined, stat(path)))?.mtimeMs ?? before) < before
  for (const entry of await absentAs([], readdir(folder, { withFileTypes: true }))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      count += await removeLeftovers(path, before)
      const isUpload = basename(folder) === '_uploads'
      if (
        isUpload &&
        (await isOld(path)) &&
        (await rmdir(path).then(
          () => true,
          () => false,
        ))
      )
        count++
    } else if (entry.name.endsWith(DRAFT_SUFFIX) && (await isOld(path))) {
      await absentAs(undefined, unlink(path))
      count++
    }
  }
  return count
}
