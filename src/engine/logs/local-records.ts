// Cuts the bytes of a local log into records, whatever chunks they come in.
import { decodeLocalEntry, LENGTH_BYTES, type LocalEntry, RECORD_BYTES_MAX } from './local-entry.ts'

/** Keeps what an unfinished record left from one chunk to the next. */
export class LocalRecords {
  #rest: Buffer = Buffer.alloc(0)
  /** A length made no sense: where the next record begins nobody can say, and the file is given up. */
  #isLost = false

  /** Bytes of what is not yet a whole record. */
  get pendingBytes(): number {
    return this.#rest.length
  }

  /** The entries that the chunk completes, each with the bytes of chunks that were used up to its end. They refer to the chunk. */
  *split(chunk: Buffer): Generator<{ entry: LocalEntry; end: number }> {
    const before = this.#rest.length
    const input = before > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    let start = 0
    while (!this.#isLost && input.length - start >= LENGTH_BYTES) {
      const size = input.readUInt32BE(start)
      const end = start + size + 2 * LENGTH_BYTES
      if (size > RECORD_BYTES_MAX) this.#isLost = true
      if (this.#isLost || end > input.length) break
      if (input.readUInt32BE(end - LENGTH_BYTES) !== size) this.#isLost = true
      if (this.#isLost) break
      // Zeros, as a power loss leaves them, are no entry: each has a stream and a time.
      const entry = size === 0 ? undefined : decodeLocalEntry(input, start + LENGTH_BYTES, end - LENGTH_BYTES)
      start = end
      this.#rest = input.subarray(start)
      if (entry) yield { entry, end: end - before }
    }
    this.#rest = this.#isLost ? Buffer.alloc(0) : Buffer.from(input.subarray(start))
  }

  /** The file has ended, or begins anew. */
  reset(): void {
    this.#rest = Buffer.alloc(0)
    this.#isLost = false
  }
}
