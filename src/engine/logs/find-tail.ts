// Where the last n lines of a log begin, found by reading blocks backwards from its end.
import type { LogFile } from './log-files.ts'

export interface TailStart {
  /** Index into the files given. */
  file: number
  offset: number
}

const BLOCK_BYTES = 64 * 1024
const NEWLINE = 0x0a

/** The start of the last `count` whole lines over all files; the beginning where there are fewer. `sizes` bound what belongs to the log. */
export async function findTail(files: readonly LogFile[], sizes: readonly number[], count: number): Promise<TailStart> {
  const last = files.length - 1
  if (count === 0) return { file: Math.max(last, 0), offset: sizes[last] ?? 0 }
  const block = Buffer.allocUnsafe(BLOCK_BYTES)
  let missing = count
  for (let index = last; index >= 0; index--) {
    const found = await findInFile(files[index]!, sizes[index]!, missing, block)
    if (found.offset !== undefined) return { file: index, offset: found.offset }
    missing -= found.lines
    if (missing === 0) return { file: index, offset: 0 }
  }
  return { file: 0, offset: 0 }
}

/** Offset after the newline that precedes the last `count` lines, or how many lines the file has, when those are not more. */
async function findInFile(
  file: LogFile,
  size: number,
  count: number,
  block: Buffer,
): Promise<{ offset: number | undefined; lines: number }> {
  let lines = 0
  let end = size
  while (end > 0) {
    const start = Math.max(0, end - block.length)
    const { bytesRead } = await file.handle.read(block, 0, end - start, start)
    if (bytesRead === 0) break
    let at = bytesRead
    while (at > 0) {
      at = block.lastIndexOf(NEWLINE, at - 1)
      if (at < 0) break
      if (lines === count) return { offset: start + at + 1, lines }
      lines++
    }
    end = start
  }
  return { offset: undefined, lines }
}
