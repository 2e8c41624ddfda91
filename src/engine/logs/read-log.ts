// Reads a container's log from wherever the request says, over rotated files, and follows it while the container writes.
import type { EntryOptions, LogEncoder } from './entry-output.ts'
import { findTail } from './find-tail.ts'
import { JsonEncoder } from './json-encoder.ts'
import { LocalEncoder } from './local-encoder.ts'
import type { LogFile } from './log-files.ts'
import { closeLogFiles, isCurrent, openLogFile, openLogFiles, openSuccessors } from './log-files.ts'
import type { LogPlace } from './log-settings.ts'
import { timeToEpochMs } from './log-time.ts'
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
  const reader = new LogReader(source, request, write, signal)
  await using _open = { [Symbol.asyncDispose]: () => reader.close() }
  await reader.open()
  await reader.readAvailable()
  while (watch && !reader.isFinished && !signal.aborted) {
    const isLast = await watch.changed()
    await reader.advance()
    if (isLast) break
  }
}

const ENCODERS = { 'json-file': JsonEncoder, local: LocalEncoder }

class LogReader {
  readonly #place: LogPlace
  readonly #request: LogRequest
  readonly #encoder: LogEncoder
  readonly #write: LogSink
  readonly #signal: AbortSignal
  readonly #chunks = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)]
  /** Files still to be read, the one under way first; the last stays open to be followed. */
  #files: LogFile[] = []
  #offset = 0
  /** Where the newest file ended when the request came: without `follow` nothing later belongs to the answer, or `tail` would give too much. */
  #end: { file: LogFile; size: number } | undefined

  constructor(place: LogPlace, request: LogRequest, write: LogSink, signal: AbortSignal) {
    this.#place = place
    this.#request = request
    this.#encoder = new ENCODERS[place.format](request)
    this.#write = write
    this.#signal = signal
  }

  get isFinished(): boolean {
    return this.#encoder.finished
  }

  async open(): Promise<void> {
    this.#files = await openLogFiles(this.#place.path)
    const newest = this.#files.at(-1)
    if (newest === undefined) return
    if (!this.#request.follow) this.#end = { file: newest, size: await newest.size() }
    if (this.#request.tail === undefined) return
    const start = await findTail(this.#files, this.#place.format, this.#request.tail)
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
  async advance(): Promise<void> {
    const { path } = this.#place
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

  /** Somebody has emptied the file (`truncate -s 0`), and what is written now begins at its start. */
  async #wasCut(file: LogFile): Promise<boolean> {
    if (!this.#request.follow || (await file.size()) >= this.#offset) return false
    this.#offset = 0
    this.#encoder.reset()
    return true
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
        const left = (this.#end?.file === file ? this.#end.size : Number.POSITIVE_INFINITY) - this.#offset
        const bytesRead = await file.read(chunk, Math.max(0, Math.min(chunk.length, left)), this.#offset)
        if (bytesRead === 0 && (await this.#wasCut(file))) continue
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
