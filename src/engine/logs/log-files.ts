// A container's log as it lies on disk: the current file and the rotated ones, `.1` the newest of those, `.2.gz` a compressed one.
import type { FileHandle } from 'node:fs/promises'
import { open, stat } from 'node:fs/promises'
import { CompressedLogFile } from './compressed-log-file.ts'

/** One file of a log, open. What a compressed one holds is read like any other's. */
export interface LogFile {
  /** Of the file as its writer knew it: compressing keeps it. */
  readonly inode: number
  /** Bytes, of the content. */
  size(): Promise<number>
  /** Returns how many bytes it put into the buffer: fewer than `length` only at the end. */
  read(buffer: Buffer, length: number, position: number): Promise<number>
  close(): Promise<void>
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
  await Promise.all(files.map((file) => file.close()))
}

/** Undefined where there is no such file. */
export async function openLogFile(path: string): Promise<LogFile | undefined> {
  const handle = await openIfExists(path)
  return handle && (await PlainLogFile.of(handle))
}

/** True when `path` names this very file (or neither exists). */
export async function isCurrent(path: string, file: LogFile | undefined): Promise<boolean> {
  try {
    return (await stat(path)).ino === file?.inode
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return file === undefined
    throw error
  }
}

/** The files that came after `file`, the oldest first; all there are when `file` itself was rotated away. `file` is open. */
export async function openSuccessors(path: string, file: LogFile): Promise<LogFile[]> {
  const files = await openLogFiles(path)
  const index = findSame(files, file.inode)
  const [seen, later] = [files.slice(0, index + 1), files.slice(index + 1)]
  await closeLogFiles(seen)
  return later
}

/** -1: none. The newest counts: a compressed file remembers an inode that may have been given to a newer file since. */
export function findSame(files: readonly LogFile[], inode: number): number {
  return files.map((each) => each.inode).lastIndexOf(inode)
}

class PlainLogFile implements LogFile {
  readonly inode: number
  readonly #handle: FileHandle

  private constructor(handle: FileHandle, inode: number) {
    this.#handle = handle
    this.inode = inode
  }

  static async of(handle: FileHandle): Promise<PlainLogFile> {
    return new PlainLogFile(handle, (await handle.stat()).ino)
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  async read(buffer: Buffer, length: number, position: number): Promise<number> {
    return (await this.#handle.read(buffer, 0, length, position)).bytesRead
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

async function openOnce(path: string): Promise<LogFile[]> {
  const newestFirst: LogFile[] = []
  const current = await openLogFile(path)
  if (current) newestFirst.push(current)
  for (let n = 1; n < FILES_MAX; n++) {
    // In this order: the compressed file is there before the other goes.
    const file = (await openLogFile(`${path}.${n}`)) ?? (await openCompressed(`${path}.${n}.gz`))
    if (!file) break
    newestFirst.push(file)
  }
  return newestFirst.reverse()
}

async function openCompressed(path: string): Promise<LogFile | undefined> {
  const handle = await openIfExists(path)
  return handle && (await CompressedLogFile.of(handle, path))
}

async function openIfExists(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
