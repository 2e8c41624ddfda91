// The answer's bytes of chosen entries: stamped, detailed and framed, whatever format they were read from.
import { FIXED_TIME_LENGTH } from './log-time.ts'

export interface EntryOptions {
  stdout: boolean
  stderr: boolean
  /** In the fixed form of log-time.ts; both ends belong to the range. */
  since: string | undefined
  until: string | undefined
  timestamps: boolean
  details: boolean
  /** Docker's frames, or for a terminal the bare bytes. */
  framed: boolean
}

/** Turns a log's bytes, chunk by chunk, into the answer's. */
export interface LogEncoder {
  /** The answer's bytes for every entry that the chunk completes. The chunk may be reused afterwards. */
  encode(chunk: Buffer): Buffer
  /** Forgets an unfinished entry: the file that held it has ended. */
  reset(): void
  /** An entry after `until` was met: what follows is later still. */
  readonly finished: boolean
}

const FRAME_HEADER = 8

export class EntryOutput {
  readonly #options: EntryOptions
  /** Where `begin` says, the payload is written. */
  bytes: Buffer = Buffer.alloc(0)
  #used = 0
  #frame = 0
  #isStderr = false
  finished = false

  constructor(options: EntryOptions) {
    this.#options = options
  }

  /** Entries have to be asked for their time only then. */
  get needsTime(): boolean {
    const { timestamps, since, until } = this.#options
    return timestamps || since !== undefined || until !== undefined
  }

  get needsDetails(): boolean {
    return this.#options.details
  }

  /** For about so many bytes of input. */
  open(size: number): void {
    this.bytes = Buffer.allocUnsafe(size + 64)
    this.#used = 0
  }

  take(): Buffer {
    return this.bytes.subarray(0, this.#used)
  }

  isChosen(isStderr: boolean, time: string): boolean {
    const { since, until, stdout, stderr } = this.#options
    if (until !== undefined && time > until) {
      this.finished = true
      return false
    }
    if (since !== undefined && time < since) return false
    return isStderr ? stderr : stdout
  }

  /** Returns the offset in `bytes` at which the payload, of at most `sizeMax` bytes, is to be written; `end` is told where it ended. */
  begin(isStderr: boolean, time: string, attributes: Readonly<Record<string, string>>, sizeMax: number): number {
    const { timestamps, details, framed } = this.#options
    const text = details ? `${formatAttributes(attributes)} ` : ''
    this.#reserve(FRAME_HEADER + FIXED_TIME_LENGTH + 1 + text.length + sizeMax)
    this.#isStderr = isStderr
    this.#frame = this.#used
    let at = framed ? this.#frame + FRAME_HEADER : this.#frame
    if (timestamps) {
      at += this.bytes.write(time, at, 'latin1')
      this.bytes[at++] = 0x20
    }
    return at + this.bytes.write(text, at, 'latin1')
  }

  end(at: number): void {
    if (this.#options.framed) this.#writeHeader(this.#frame, at - this.#frame - FRAME_HEADER)
    this.#used = at
  }

  #writeHeader(at: number, length: number): void {
    this.bytes[at] = this.#isStderr ? 2 : 1
    this.bytes[at + 1] = 0
    this.bytes[at + 2] = 0
    this.bytes[at + 3] = 0
    this.bytes.writeUInt32BE(length, at + 4)
  }

  #reserve(size: number): void {
    if (this.#used + size <= this.bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.#used + size))
    this.bytes.copy(grown, 0, 0, this.#used)
    this.bytes = grown
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
