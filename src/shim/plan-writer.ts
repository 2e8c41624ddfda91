// A growing buffer of little-endian numbers and NUL-terminated texts: the plan file's vocabulary.
import { Failure } from '../base/failure.ts'

const NO_SLOT = 0xff
const SLOT_MAX = 249

/** Every method appends and returns the writer. A value that does not fit throws Failure('invalid-argument'). */
export class PlanWriter {
  private buffer = Buffer.allocUnsafe(16 << 10)
  private size = 0

  private reserve(size: number): number {
    const at = this.size
    this.size += size
    if (this.size > this.buffer.length) {
      const larger = Buffer.allocUnsafe(this.size * 2)
      this.buffer.copy(larger, 0, 0, at)
      this.buffer = larger
    }
    return at
  }

  u8(value: number): this {
    this.buffer.writeUInt8(within(value, 0xff), this.reserve(1))
    return this
  }

  u16(value: number): this {
    this.buffer.writeUInt16LE(within(value, 0xffff), this.reserve(2))
    return this
  }

  u32(value: number): this {
    this.buffer.writeUInt32LE(within(value, 0xffffffff), this.reserve(4))
    return this
  }

  u64(value: bigint): this {
    this.buffer.writeBigUInt64LE(BigInt.asUintN(64, value), this.reserve(8))
    return this
  }

  flag(value: boolean): this {
    return this.u8(value ? 1 : 0)
  }

  slot(slot: number | undefined): this {
    return this.u8(slot === undefined ? NO_SLOT : within(slot, SLOT_MAX))
  }

  bytes(bytes: Uint8Array): this {
    this.u32(bytes.length)
    this.buffer.set(bytes, this.reserve(bytes.length))
    return this
  }

  /** A text for the kernel: a NUL inside would silently cut it short. */
  text(text: string): this {
    if (text.includes('\0')) throw new Failure('invalid-argument', `plan: NUL in ${JSON.stringify(text)}`)
    const size = Buffer.byteLength(text)
    this.u32(size)
    const at = this.reserve(size + 1)
    this.buffer.write(text, at)
    this.buffer[at + size] = 0
    return this
  }

  optionalText(text: string | undefined): this {
    this.flag(text !== undefined)
    return text === undefined ? this : this.text(text)
  }

  texts(texts: readonly string[]): this {
    this.u32(texts.length)
    for (const text of texts) this.text(text)
    return this
  }

  u32s(values: readonly number[]): this {
    this.u32(values.length * 4)
    for (const value of values) this.u32(value)
    return this
  }

  /** A length (u32) in front of what `write` appends. */
  sized(write: () => void): this {
    const at = this.reserve(4)
    const start = this.size
    write()
    this.buffer.writeUInt32LE(this.size - start, at)
    return this
  }

  finish(): Buffer {
    return this.buffer.subarray(0, this.size)
  }
}

function within(value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value
  throw new Failure('invalid-argument', `plan: ${value} is not in 0…${max}`)
}
