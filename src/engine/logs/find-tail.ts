// Where the last n entries of a log begin, found by reading backwards from its end: lines of json-file in blocks, records of local by the lengths behind them.
import { LENGTH_BYTES, RECORD_BYTES_MAX } from './local-entry.ts'
import type { LogFile } from './log-files.ts'
import type { LogFormat } from './log-settings.ts'

export interface TailStart {
  /** Index into the files given. */
  file: number
  offset: number
}

/** Where the last entries of one file begin, or how many it has, when those are not more than asked for. */
interface Found {
  offset: number | undefined
  entries: number
}

const BLOCK_BYTES = 64 * 1024
const NEWLINE = 0x0a
const FINDERS = { 'json-file': findLines, local: findRecords }

/** The start of the last `count` whole entries over all files; the beginning where there are fewer. Files before it are not read. */
export async function findTail(files: readonly LogFile[], format: LogFormat, count: number): Promise<TailStart> {
  const last = files.length - 1
  if (count === 0) return { file: Math.max(last, 0), offset: (await files[last]?.size()) ?? 0 }
  const block = Buffer.allocUnsafe(BLOCK_BYTES)
  let missing = count
  for (let index = last; index >= 0; index--) {
    const file = files[index]!
    const found = await FINDERS[format](file, await file.size(), missing, block)
    if (found.offset !== undefined) return { file: index, offset: found.offset }
    missing -= found.entries
    if (missing === 0) return { file: index, offset: 0 }
  }
  return { file: 0, offset: 0 }
}

async function findLines(file: LogFile, size: number, count: number, block: Buffer): Promise<Found> {
  let entries = 0
  let end = size
  while (end > 0) {
    const start = Math.max(0, end - block.length)
    const bytesRead = await file.read(block, end - start, start)
    if (bytesRead === 0) break
    let at = bytesRead
    while (at > 0) {
      at = block.lastIndexOf(NEWLINE, at - 1)
      if (at < 0) break
      if (entries === count) return { offset: start + at + 1, entries }
      entries++
    }
    end = start
  }
  return { offset: undefined, entries }
}

/** The block holds what lies before `end`, as far as it goes; where lengths make no sense the search ends as at the file's start. */
async function findRecords(file: LogFile, size: number, count: number, block: Buffer): Promise<Found> {
  let entries = 0
  let start = size // of the block
  for (let end = size; end > 0; ) {
    if (entries === count) return { offset: end, entries }
    if (end - LENGTH_BYTES < start) {
      start = Math.max(0, end - block.length)
      if ((await file.read(block, end - start, start)) < end - start) break
    }
    if (end - LENGTH_BYTES < start) break
    const length = block.readUInt32BE(end - start - LENGTH_BYTES)
    if (length > RECORD_BYTES_MAX || length + 2 * LENGTH_BYTES > end) break
    end -= length + 2 * LENGTH_BYTES
    if (length > 0) entries++ // zeros are what a power loss has left
  }
  return { offset: undefined, entries }
}
