// How far a container's log has been forwarded: a file beside the log, so that an engine that was killed goes on where it was.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { readTextIfExists, replaceFileSync } from '../../../base/atomic-file.ts'
import { decodeLocalEntry, LENGTH_BYTES, RECORD_BYTES_MAX } from '../local-entry.ts'
import { findSame, type LogFile } from '../log-files.ts'

const FILE = 'log-forward.json'

/** All before `offset` of the file has been sent; the last entry of it is of this time. */
export interface Cursor {
  inode: number
  offset: number
  timeNs: bigint
}

export function loadCursor(directory: string): Cursor | undefined {
  try {
    const value = JSON.parse(readTextIfExists(join(directory, FILE)) ?? 'null') as Record<string, unknown> | null
    if (value?.['version'] !== 1) return undefined
    const { inode, offset, timeNs } = value
    if (typeof inode !== 'number' || typeof offset !== 'number' || typeof timeNs !== 'string') return undefined
    return { inode, offset, timeNs: BigInt(timeNs) }
  } catch {
    return undefined // damaged: all that is there is sent again
  }
}

/** A crash finds the old one or the new one; without a sync, since all that a power loss costs is entries that are sent twice. */
export function saveCursor(directory: string, { inode, offset, timeNs }: Cursor): void {
  replaceFileSync(join(directory, FILE), JSON.stringify({ version: 1, inode, offset, timeNs: String(timeNs) }))
}

export function removeCursor(directory: string): void {
  rmSync(join(directory, FILE), { force: true })
}

/** Where to go on: undefined where the file is gone or was emptied, and time alone tells what has been sent. */
export async function findCursor(
  files: readonly LogFile[],
  cursor: Cursor,
): Promise<{ file: number; offset: number } | undefined> {
  const index = findSame(files, cursor.inode)
  const file = files[index]
  if (file === undefined || (await file.size()) < cursor.offset) return undefined
  if (cursor.offset > 0 && (await lastTime(file, cursor.offset)) !== cursor.timeNs) return undefined
  return { file: index, offset: cursor.offset }
}

async function lastTime(file: LogFile, end: number): Promise<bigint | undefined> {
  const length = Buffer.alloc(LENGTH_BYTES)
  if ((await file.read(length, LENGTH_BYTES, end - LENGTH_BYTES)) < LENGTH_BYTES) return undefined
  const size = length.readUInt32BE()
  if (size > RECORD_BYTES_MAX || size + 2 * LENGTH_BYTES > end) return undefined
  const record = Buffer.alloc(size)
  if ((await file.read(record, size, end - LENGTH_BYTES - size)) < size) return undefined
  return decodeLocalEntry(record, 0, size)?.timeNs
}
