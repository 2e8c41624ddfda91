// Reads a container's log from wherever the request says, over rotated files, and follows it while the container writes.
import type { EntryOptions } from './entry-encoder.ts'
import { EntryEncoder } from './entry-encoder.ts'
import { findTail } from './find-tail.ts'
import type { LogFile } from './log-files.ts'
import { closeLogFiles, isCurrent, openLogFile, openLogFiles, openSuccessors } from './log-files.ts'
import { timeToEpochMs } from './log-time.ts'
import { LogWatch } from './log-watch.ts'

export interface LogRequest extends EntryOptions {
  /** Lines from the end; undefined: all. */
  tail: number | undefined
  follow: boolean
}

export interface LogSource {
  path: string
  /** Resolves when nothing more will be written: the container has stopped or is gone. */
  ended: Promise<void>
}

/** Takes bytes; resolves when more may come. Bytes may be kept. */
export type LogSink = (bytes: Buffer) => Promise<void>

const CHUNK_BYTES = 256 * 1024

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
  const reader = new LogReader(request, write, signal)
  await using _open = { [Symbol.asyncDispose]: () => reader.close() }
  await reader.open(source.path)
  await reader.readAvailable()
  while (watch && !reader.isFinished && !signal.aborted) {
    const isLast = await watch.changed()
    await reader.advance(source.path)
    if (isLast) break
  }
}

class LogReader {
  readonly #request: LogRequest
  readonly #encoder: EntryEncoder
  readonly #write: LogSink
  readonly #signal: AbortSignal
  readonly #chunks = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)]
  /** Files still to be read, the one under way first; the last stays open to be followed. */
  #files: LogFile[] = []
  #offset = 0
  /** Where a file ended when the request came: without `follow` nothing later belongs to the answer, or `tail` would give too much. */
  readonly #ends = new Map<LogFile, number>()

  constructor(request: LogRequest, write: LogSink, signal: AbortSignal) {
    this.#request = request
    this.#encoder = new EntryEncoder(request)
    this.#write = write
    this.#signal = signal
  }

  get isFinished(): boolean {
    return this.#encoder.finished
  }

  async open(path: string): Promise<void> {
    this.#files = await openLogFiles(path)
    const sizes = await Promise.all(this.#files.map(async (file) => (await file.handle.stat()).size))
    if (!this.#request.follow) this.#files.forEach((file, index) => void this.#ends.set(file, sizes[index] ?? 0))
    if (this.#request.tail === undefined || this.#files.length === 0) return
    const start = await findTail(this.#files, sizes, this.#request.tail)
    await closeLogFiles(this.#files.splice(0, start.file))
    this.#offset = start.offset
  }

  /** Reads to the end of the newest file that is open. */
  async readAvailable(): Promise<void> {
    for (;;) {
      const file = this.#files[0]
      if (!file) return
      await this.#readFile(file)
      if (this.#files.length === 1 || this.isFinished || this.#signal.aborted) return
      await this.#leaveFile()
    }
  }

  /** Reads what came since, through as many rotations as there were. */
  async advance(path: string): Promise<void> {
    await this.readAvailable()
    const file = this.#files[0]
    if (this.isFinished || this.#signal.aborted) return
    if (!file) {
      const first = await openLogFile(path)
      if (first) this.#files.push(first)
    } else {
      if (await isCurrent(path, file)) return
      // It was renamed, so its writer is done with it: one more look gets its last lines before we leave it.
      await this.#readFile(file)
      const successors = await openSuccessors(path, file)
      if (successors.length === 0) return // between rename and the new file's first line
      this.#files.push(...successors)
    }
    await this.readAvailable()
  }

  async close(): Promise<void> {
    await closeLogFiles(this.#files.splice(0))
  }

  async #leaveFile(): Promise<void> {
    await closeLogFiles(this.#files.splice(0, 1))
    this.#offset = 0
    this.#encoder.reset()
  }

  /** Reading the next chunk and writing the last one go on at the same time. */
  async #readFile(file: LogFile): Promise<void> {
    let writing: Promise<void> = Promise.resolve()
    try {
      for (let turn = 0; !this.isFinished && !this.#signal.aborted; turn ^= 1) {
        const chunk = this.#chunks[turn]!
        const left = (this.#ends.get(file) ?? Number.POSITIVE_INFINITY) - this.#offset
        const { bytesRead } = await file.handle.read(chunk, 0, Math.max(0, Math.min(chunk.length, left)), this.#offset)
        if (bytesRead === 0) break
        this.#offset += bytesRead
        const encoded = this.#encoder.encode(chunk.subarray(0, bytesRead))
        await writing
        writing = encoded.length > 0 ? this.#write(encoded) : Promise.resolve()
        writing.catch(() => {}) // reported by the await that follows
      }
    } finally {
      await writing
    }
  }
}
