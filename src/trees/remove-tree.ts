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

/** What lies too deep is put at the top. An `rm` that has failed goes on for a while: what it removes meanwhile is no error. */
async function bringUp(root: string): Promise<void> {
  const top = Buffer.from(root).toString('latin1')
  const pending = [top]
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop())
    for (const entry of (await unlessGone(readdir(bytesOf(directory), { encoding: 'buffer' }))) ?? []) {
      const path = `${directory}/${entry.toString('latin1')}`
      if (!(await unlessGone(lstat(bytesOf(path))))?.isDirectory()) continue
      if (path.length <= PATH_LENGTH_MAX) pending.push(path)
      else await unlessGone(rename(bytesOf(path), bytesOf(`${top}/${randomUUID()}`)))
    }
}

async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function bytesOf(path: string): Buffer {
  return Buffer.from(path, 'latin1')
}
