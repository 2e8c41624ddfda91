// A container's log as it lies on disk: the current file and the rotated ones, `.1` the newest of those.
import type { FileHandle } from 'node:fs/promises'
import { open, stat } from 'node:fs/promises'

export interface LogFile {
  handle: FileHandle
  device: number
  inode: number
}

/** More than any setting of max-file makes sense of; bounds the search. */
const FILES_MAX = 1000
const ATTEMPTS = 20

/**
 * Opens all files of a log, the oldest first. The shim may rotate meanwhile: what is returned is one moment's sequence, without gap or repeat,
 * because the current path still named the last file after all had been opened. The caller closes them.
 */
export async function openLogFiles(path: string): Promise<LogFile[]> {
  for (let attempt = 0; ; attempt++) {
    const files = await openOnce(path)
    if (attempt === ATTEMPTS || (await isCurrent(path, files.at(-1)))) return files
    await closeLogFiles(files)
  }
}

export async function closeLogFiles(files: readonly LogFile[]): Promise<void> {
  await Promise.all(files.map((file) => file.handle.close()))
}

/** Undefined where there is no such file. */
export async function openLogFile(path: string): Promise<LogFile | undefined> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const { dev, ino } = await handle.stat()
  return { handle, device: dev, inode: ino }
}

/** True when `path` names this very file (or neither exists). */
export async function isCurrent(path: string, file: LogFile | undefined): Promise<boolean> {
  try {
    const found = await stat(path)
    return file !== undefined && found.ino === file.inode && found.dev === file.device
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return file === undefined
    throw error
  }
}

/** The files that came after `file`, the oldest first; all there are when `file` itself was rotated away. */
export async function openSuccessors(path: string, file: LogFile): Promise<LogFile[]> {
  const files = await openLogFiles(path)
  const index = files.findIndex((each) => each.inode === file.inode && each.device === file.device)
  const [seen, later] = [files.slice(0, index + 1), files.slice(index + 1)]
  await closeLogFiles(seen)
  return later
}

async function openOnce(path: string): Promise<LogFile[]> {
  const newestFirst: LogFile[] = []
  const current = await openLogFile(path)
  if (current) newestFirst.push(current)
  for (let n = 1; n < FILES_MAX; n++) {
    const file = await openLogFile(`${path}.${n}`)
    if (!file) break
    newestFirst.push(file)
  }
  return newestFirst.reverse()
}
