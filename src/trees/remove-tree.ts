// Removes a tree that a container had: it may have made directories deeper than any path reaches.
import { randomUUID } from 'node:crypto'
import { lstat, readdir, rename, rm } from 'node:fs/promises'

/** Resolves when all is gone; nothing there is no error. Nobody else may write to it any more. */
export async function removeTree(path: string): Promise<void> {
  for (;;)
    try {
      await rm(path, { recursive: true, force: true })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENAMETOOLONG') throw error
      await bringUp(path)
    }
}

/** Half of what a path may be long, so that what is brought up can be looked into in its turn. */
const PATH_LENGTH_MAX = 2048

/** What lies too deep is put at the top. */
async function bringUp(root: string): Promise<void> {
  const top = Buffer.from(root).toString('latin1')
  const pending = [top]
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop())
    for (const entry of await readdir(Buffer.from(directory, 'latin1'), { encoding: 'buffer' })) {
      const path = `${directory}/${entry.toString('latin1')}`
      const bytes = Buffer.from(path, 'latin1')
      if (!(await lstat(bytes)).isDirectory()) continue
      if (path.length <= PATH_LENGTH_MAX) pending.push(path)
      else await rename(bytes, Buffer.from(`${top}/${randomUUID()}`, 'latin1'))
    }
}
