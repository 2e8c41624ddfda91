// Turns bytes of a json-file log into bytes of the answer: entries are chosen, unescaped, stamped and framed in one pass over each chunk.
import type { LogEntry, LineParts } from './log-entry.ts'
import { locateParts, parseLogLine, unescapeInto } from './log-entry.ts'
import { FIXED_TIME_LENGTH, fixTime } from './log-time.ts'

export interface EntryOptions {
  stdout: boolean
  stderr: boolean
  /** In the fixed form of log-time.ts; both ends belong to the range. */
  since: string | undefined
  until: string | undefined
  timestamps: boolean
  details: boolean
  /** With `details`: what every entry has, beside what its line says. */
  attributes?: Readonly<Record<string, string>>
  /** Docker's frames, or for a terminal the bare bytes. */
  framed: boolean
}

/** Longer lines are damage: the shim cuts at 16 KiB, and an escape is six bytes at most. */
const LINE_BYTES_MAX = 1 << 20
const FRAME_HEADER = 8
const NEWLINE = 0x0a
const BACKSLASH = 0x5c
const LETTER_N = 0x6e

/** Keeps what an unfinished line left from one chunk to the next. */
export class EntryEncoder {
  readonly #options: EntryOptions
  readonly #parts: LineParts = { payloadStart: 0, payloadEnd: 0, isStderr: false, timeStart: 0, timeEnd: 0 }
  #rest: Buffer = Buffer.alloc(0)
  #skipping = false
  #out: Buffer = Buffer.alloc(0)
  #used = 0
  /** True once an entry after `until` was met: what follows is later still. */
  finished = false

  constructor(options: EntryOptions) {
    this.#options = options
  }

  /** The answer's bytes for every entry that the chunk completes. The chunk may be reused afterwards. */
  encode(chunk: Buffer): Buffer {
    const input = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    this.#out = Buffer.allocUnsafe(input.length + 64)
    this.#used = 0
    let start = 0
    for (;;) {
      const end = input.indexOf(NEWLINE, start)
      if (end < 0) break
      if (this.#skipping) this.#skipping = false
      else if (end > start) this.#encodeLine(input, start, end)
      start = end + 1
      if (this.finished) break
    }
    this.#keepRest(input, start)
    return this.#out.subarray(0, this.#used)
  }

  /** Forgets an unfinished line: the file that held it has ended. */
  reset(): void {
    this.#rest = Buffer.alloc(0)
    this.#skipping = false
  }

  #keepRest(input: Buffer, start: number): void {
    if (start === input.length || this.#skipping) this.#rest = Buffer.alloc(0)
    else if (input.length - start > LINE_BYTES_MAX) {
      this.#skipping = true
      this.#rest = Buffer.alloc(0)
    } else this.#rest = Buffer.from(input.subarray(start))
  }

  #encodeLine(input: Buffer, start: number, end: number): void {
    const options = this.#options
    const parts = this.#parts
    if (options.details || !locateParts(input, start, end, parts)) {
      const entry = parseLogLine(input.subarray(start, end))
      if (entry) this.#writeEntry(entry)
      return
    }
    if (!(parts.isStderr ? options.stderr : options.stdout)) {
      if (options.until !== undefined) this.#isChosen(input.toString('latin1', parts.timeStart, parts.timeEnd))
      return
    }
    const needsTime = options.timestamps || options.since !== undefined || options.until !== undefined
    const time = needsTime ? fixTime(input.toString('latin1', parts.timeStart, parts.timeEnd)) : ''
    if (needsTime && !this.#isChosenFixed(time)) return
    this.#reserve(FRAME_HEADER + FIXED_TIME_LENGTH + 1 + (end - start))
    const frame = this.#used
    let at = options.framed ? frame + FRAME_HEADER : frame
    if (options.timestamps) {
      at += this.#out.write(time, at, 'latin1')
      this.#out[at++] = 0x20
    }
    at = this.#copyPayload(input, parts.payloadStart, parts.payloadEnd, at)
    if (options.framed) this.#writeHeader(frame, parts.isStderr, at - frame - FRAME_HEADER)
    this.#used = at
  }

  /** Most lines have one escape, the newline at their end: then the text is copied as it stands. */
  #copyPayload(input: Buffer, start: number, end: number, at: number): number {
    const backslash = input.indexOf(BACKSLASH, start)
    if (backslash < 0 || backslash >= end) return at + input.copy(this.#out, at, start, end)
    if (backslash === end - 2 && input[end - 1] === LETTER_N) {
      const next = at + input.copy(this.#out, at, start, backslash)
      this.#out[next] = NEWLINE
      return next + 1
    }
    return unescapeInto(input, start, end, this.#out, at)
  }

  #writeEntry(entry: LogEntry): void {
    const options = this.#options
    const time = fixTime(entry.time)
    if (!this.#isChosenFixed(time)) return
    if (!(entry.stream === 'stderr' ? options.stderr : options.stdout)) return
    const stamp = options.timestamps ? `${time} ` : ''
    const details = options.details ? `${formatAttributes({ ...options.attributes, ...entry.attributes })} ` : ''
    const prefix = Buffer.from(stamp + details, 'utf8')
    this.#reserve(FRAME_HEADER + prefix.length + entry.payload.length)
    const frame = this.#used
    let at = options.framed ? frame + FRAME_HEADER : frame
    at += prefix.copy(this.#out, at)
    at += entry.payload.copy(this.#out, at)
    if (options.framed) this.#writeHeader(frame, entry.stream === 'stderr', at - frame - FRAME_HEADER)
    this.#used = at
  }

  #isChosen(time: string): boolean {
    return this.#isChosenFixed(fixTime(time))
  }

  #isChosenFixed(time: string): boolean {
    const { since, until } = this.#options
    if (until !== undefined && time > until) {
      this.finished = true
      return false
    }
    return since === undefined || time >= since
  }

  #writeHeader(at: number, isStderr: boolean, length: number): void {
    this.#out[at] = isStderr ? 2 : 1
    this.#out[at + 1] = 0
    this.#out[at + 2] = 0
    this.#out[at + 3] = 0
    this.#out.writeUInt32BE(length, at + 4)
  }

  #reserve(size: number): void {
    if (this.#used + size <= this.#out.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#out.length * 2, this.#used + size))
    this.#out.copy(grown, 0, 0, this.#used)
    this.#out = grown
  }
}

/** `k=v` pairs, URL-escaped as Go's QueryEscape does, sorted, joined by commas. */
export function formatAttributes(attributes: Readonly<Record<string, string>>): string {
  return Object.keys(attributes)
    .sort()
    .map((key) => `${queryEscape(key)}=${queryEscape(attributes[key]!)}`)
    .join(',')
}

function queryEscape(text: string): string {
  // Half of a surrogate pair, which encodeURIComponent refuses, becomes U+FFFD on the way through bytes.
  const escaped = encodeURIComponent(Buffer.from(text).toString())
  return escaped.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`).replace(/%20/g, '+')
}
