// Turns bytes of a json-file log into bytes of the answer: entries are chosen, unescaped, stamped and framed in one pass over each chunk.
import { type EntryOptions, EntryOutput, type LogEncoder } from './entry-output.ts'
import type { LogEntry, LineParts } from './log-entry.ts'
import { locateParts, parseLogLine, unescapeInto } from './log-entry.ts'
import { fixTime } from './log-time.ts'

/** Longer lines are damage: the shim cuts at 16 KiB, and an escape is six bytes at most. */
const LINE_BYTES_MAX = 1 << 20
const NEWLINE = 0x0a
const BACKSLASH = 0x5c
const LETTER_N = 0x6e
const NONE = {}

/** Keeps what an unfinished line left from one chunk to the next. */
export class JsonEncoder implements LogEncoder {
  readonly #output: EntryOutput
  readonly #parts: LineParts = { payloadStart: 0, payloadEnd: 0, isStderr: false, timeStart: 0, timeEnd: 0 }
  #rest: Buffer = Buffer.alloc(0)
  #skipping = false

  constructor(options: EntryOptions) {
    this.#output = new EntryOutput(options)
  }

  get finished(): boolean {
    return this.#output.finished
  }

  encode(chunk: Buffer): Buffer {
    const input = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    this.#output.open(input.length)
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
    return this.#output.take()
  }

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
    const output = this.#output
    const parts = this.#parts
    if (output.needsDetails || !locateParts(input, start, end, parts)) {
      const entry = parseLogLine(input.subarray(start, end))
      if (entry) this.#writeEntry(entry)
      return
    }
    const time = output.needsTime ? fixTime(input.toString('latin1', parts.timeStart, parts.timeEnd)) : ''
    if (!output.isChosen(parts.isStderr, time)) return
    const at = output.begin(parts.isStderr, time, NONE, end - start)
    output.end(this.#copyPayload(input, parts.payloadStart, parts.payloadEnd, at))
  }

  /** Most lines have one escape, the newline at their end: then the text is copied as it stands. */
  #copyPayload(input: Buffer, start: number, end: number, at: number): number {
    const { bytes } = this.#output
    const backslash = input.indexOf(BACKSLASH, start)
    if (backslash < 0 || backslash >= end) return at + input.copy(bytes, at, start, end)
    if (backslash === end - 2 && input[end - 1] === LETTER_N) {
      const next = at + input.copy(bytes, at, start, backslash)
      bytes[next] = NEWLINE
      return next + 1
    }
    return unescapeInto(input, start, end, bytes, at)
  }

  #writeEntry({ stream, time: text, attributes, payload }: LogEntry): void {
    const time = fixTime(text)
    const isStderr = stream === 'stderr'
    if (!this.#output.isChosen(isStderr, time)) return
    const at = this.#output.begin(isStderr, time, attributes, payload.length)
    this.#output.end(at + payload.copy(this.#output.bytes, at))
  }
}
