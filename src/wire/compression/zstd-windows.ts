// The frames of a zstd stream (RFC 8878, 3.1), watched as they pass: how much memory each wants is the archive's word, and has a bound.
import { Failure } from '../../base/failure.ts'

/** What the zstd program accepts without being asked twice. */
const WINDOW_MAX = 128 * 1024 * 1024

const FRAME_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const CHECKSUM_SIZE = 4
const RLE_BLOCK = 1

type Want = 'magic' | 'skippable size' | 'descriptor' | 'header' | 'block'

/**
 * Push every chunk before it is decompressed. Throws Failure('invalid-argument') at the first frame whose window is too large; what is
 * no zstd at all it leaves to the decoder to refuse.
 */
export class ZstdWindows {
  /** Bytes of the header that is being gathered. */
  #header = Buffer.alloc(16)
  #filled = 0
  #wanted = 4
  #want: Want = 'magic'
  /** Bytes to pass over: block contents, checksums, skippable frames. */
  #skip = 0
  #descriptor = 0
  #isLost = false

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && !this.#isLost; ) {
      if (this.#skip > 0) {
        const passed = Math.min(this.#skip, chunk.length - at)
        this.#skip -= passed
        at += passed
        continue
      }
      this.#header[this.#filled++] = chunk[at++]!
      if (this.#filled === this.#wanted) this.#take()
    }
  }

  #take(): void {
    const header = this.#header
    switch (this.#want) {
      case 'magic': {
        const magic = header.readUInt32LE(0)
        if (magic === FRAME_MAGIC) return this.#next('descriptor', 1)
        if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) return this.#next('skippable size', 4)
        this.#isLost = true // trailing bytes: the decoder's matter
        return
      }
      case 'skippable size':
        this.#skip = header.readUInt32LE(0)
        return this.#next('magic', 4)
      case 'descriptor': {
        this.#descriptor = header[0]!
        const size = this.#fieldsSize()
        return size === 0 ? this.#next('block', 3) : this.#next('header', size)
      }
      case 'header':
        this.#checkWindow(header)
        return this.#next('block', 3)
      case 'block': {
        const block = header.readUIntLE(0, 3)
        const type = (block >> 1) & 3
        this.#skip = type === RLE_BLOCK ? 1 : block >> 3
        const isLast = (block & 1) !== 0
        if (isLast && this.#descriptor & 4) this.#skip += CHECKSUM_SIZE
        return isLast ? this.#next('magic', 4) : this.#next('block', 3)
      }
    }
  }

  #next(want: Want, wanted: number): void {
    this.#want = want
    this.#wanted = wanted
    this.#filled = 0
  }

  get #isSingleSegment(): boolean {
    return (this.#descriptor & 0x20) !== 0
  }

  get #dictionarySize(): number {
    return [0, 1, 2, 4][this.#descriptor & 3]!
  }

  get #contentSize(): number {
    const flag = this.#descriptor >> 6
    return flag === 0 ? (this.#isSingleSegment ? 1 : 0) : 1 << flag
  }

  #fieldsSize(): number {
    return (this.#isSingleSegment ? 0 : 1) + this.#dictionarySize + this.#contentSize
  }

  #checkWindow(header: Buffer): void {
    const size = this.#isSingleSegment
      ? readSize(header, this.#dictionarySize, this.#contentSize)
      : windowOf(header[0]!)
    if (size > WINDOW_MAX) throw new Failure('invalid-argument', 'zstd: window size too large')
  }
}

function windowOf(descriptor: number): number {
  return 2 ** (10 + (descriptor >> 3)) * (1 + (descriptor & 7) / 8)
}

/** Two bytes hold the size less 256. */
function readSize(header: Buffer, at: number, length: number): number {
  if (length === 8) return Number(header.readBigUInt64LE(at))
  return header.readUIntLE(at, length) + (length === 2 ? 256 : 0)
}
