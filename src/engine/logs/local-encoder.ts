// Turns bytes of a local log into bytes of the answer.
import { type EntryOptions, EntryOutput, type LogEncoder } from './entry-output.ts'
import type { LocalEntry } from './local-entry.ts'
import { LocalRecords } from './local-records.ts'
import { formatNanoseconds } from './log-time.ts'

const NEWLINE = 0x0a

export class LocalEncoder implements LogEncoder {
  readonly #output: EntryOutput
  readonly #records = new LocalRecords()

  constructor(options: EntryOptions) {
    this.#output = new EntryOutput(options)
  }

  get finished(): boolean {
    return this.#output.finished
  }

  encode(chunk: Buffer): Buffer {
    this.#output.open(chunk.length)
    for (const { entry } of this.#records.split(chunk)) {
      this.#write(entry)
      if (this.finished) break
    }
    return this.#output.take()
  }

  reset(): void {
    this.#records.reset()
  }

  #write({ line, isStderr, timeNs, partial, attributes }: LocalEntry): void {
    const output = this.#output
    const time = output.needsTime ? formatNanoseconds(timeNs) : ''
    if (!output.isChosen(isStderr, time)) return
    let at = output.begin(isStderr, time, attributes, line.length + 1)
    at += line.copy(output.bytes, at)
    if (partial === undefined || partial.isLast) output.bytes[at++] = NEWLINE
    output.end(at)
  }
}
