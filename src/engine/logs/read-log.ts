// Reads a container's log from wherever the request says, over rotated files, and follows it while the container writes.
import type { EntryOptions, LogEncoder } from './entry-output.ts'
import { findTail } from './find-tail.ts'
import { JsonEncoder } from './json-encoder.ts'
import { LocalEncoder } from './local-encoder.ts'
import type { LogPlace } from './log-settings.ts'
import { timeToEpochMs } from './log-time.ts'
import { LogWalk } from './log-walk.ts'
import { LogWatch } from './log-watch.ts'

export interface LogRequest extends EntryOptions {
  /** Lines from the end; undefined: all. */
  tail: number | undefined
  follow: boolean
}

export interface LogSource extends LogPlace {
  /** Resolves when nothing more will be written: the container has stopped or is gone. */
  ended: Promise<void>
}

/** Takes bytes; resolves when more may come. Bytes may be kept. */
export type LogSink = (bytes: Buffer) => Promise<void>

const CHUNK_BYTES = 256 * 1024

const ENCODERS = { 'json-file': JsonEncoder, local: LocalEncoder }

/** Resolves when everything asked for has been written, or the signal is aborted. A log that does not exist is empty. */
export async function readLog(
  source: LogSource,
  request: LogRequest,
  write: LogSink,
  signal: AbortSignal,
): Promise<void> {
  const untilMs = request.until === undefined ? undefined : timeToEpochMs(request.until)
  // The watch comes first, so that nothing written after the last look can be missed.
  using watch = request.follow ? new LogWatch(source, untilMs, signal) : undefined
  const encoder: LogEncoder = new ENCODERS[source.format](request)
  await using walk = new LogWalk(source.path, () => encoder.reset())
  const end = await begin(walk, source, request)
  const isOver = () => encoder.finished || signal.aborted
  const chunks = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)] as const
  const parts = { walk, encoder, write, isOver, chunks }
  await copy({ ...parts, end })
  while (watch && !isOver()) {
    const isLast = await watch.changed()
    // First what the open file has: a line waits for nothing but its reading. Whether the file is still the log comes after.
    do await copy(parts)
    while (!isOver() && (await walk.advance()))
    if (isLast) break
  }
}

/** Returns where the newest file ended when the request came: without `follow` nothing later belongs to the answer, or `tail` would give too much. */
async function begin(walk: LogWalk, place: LogPlace, request: LogRequest): Promise<number | undefined> {
  const files = await walk.open()
  const end = request.follow ? undefined : await files.at(-1)?.size()
  if (request.tail === undefined || files.length === 0) return end
  const start = await findTail(files, place.format, request.tail)
  await walk.begin(start.file, start.offset)
  return end
}

interface Copy {
  walk: LogWalk
  encoder: LogEncoder
  write: LogSink
  isOver(): boolean
  chunks: readonly [Buffer, Buffer]
  end?: number | undefined
}

/** To the end of what is there. Reading the next chunk and writing the last one go on at the same time. */
async function copy({ walk, encoder, write, isOver, chunks, end }: Copy): Promise<void> {
  let writing: Promise<void> = Promise.resolve()
  try {
    for (let isFirst = true; !isOver(); isFirst = !isFirst) {
      const chunk = isFirst ? chunks[0] : chunks[1]
      const size = await walk.read(chunk, end)
      if (size === 0) break
      const encoded = encoder.encode(chunk.subarray(0, size))
      await writing
      writing = encoded.length > 0 ? write(encoded) : Promise.resolve()
      writing.catch(() => {}) // reported by the await that follows
    }
  } finally {
    await writing
  }
}
