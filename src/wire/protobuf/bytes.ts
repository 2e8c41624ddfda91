// The bytes below protocol buffers: varints, fixed numbers, lengths.
import { Failure } from '../../base/failure.ts'

export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

const VARINT_BYTES_MAX = 10

export class ByteWriter {
  #bytes = Buffer.allocUnsafe(256)
  #size = 0

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#size)
  }

  tag(number: number, wire: number): this {
    return this.varint(BigInt((number << 3) | wire))
  }

  /** Negative numbers as 64 bits in two's complement. */
  varint(value: bigint): this {
    this.#reserve(VARINT_BYTES_MAX)
    let rest = BigInt.asUintN(64, value)
    while (rest > 0x7fn) {
      this.#bytes[this.#size++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.#bytes[this.#size++] = Number(rest)
    return this
  }

  double(value: number): this {
    this.#reserve(8)
    this.#size = this.#bytes.writeDoubleLE(value, this.#size)
    return this
  }

  /** With its length before it. */
  sized(bytes: Uint8Array): this {
    this.varint(BigInt(bytes.length))
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#size)
    this.#size += bytes.length
    return this
  }

  #reserve(size: number): void {
    const needed = this.#size + size
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#size)
    this.#bytes = larger
  }
}

/** Every method throws `invalid-argument` where the bytes end too soon or make no sense. */
export class ByteReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  tag(): { number: number; wire: number } {
    const value = Number(BigInt.asUintN(32, this.varint()))
    if (value >>> 3 === 0) throw malformed('field number 0')
    return { number: value >>> 3, wire: value & 7 }
  }

  /** Unsigned. */
  varint(): bigint {
    let value = 0n
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw malformed('the message ends within a number')
      value |= BigInt(byte & 0x7f) << BigInt(7 * count)
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw malformed('a number is too long')
  }

  double(): number {
    return this.#take(8).readDoubleLE(0)
  }

  sized(): Buffer {
    const length = this.varint()
    if (length > BigInt(this.#bytes.length)) throw malformed('the message ends within a field')
    return this.#take(Number(length))
  }

  /** Passes over a field that nobody knows. */
  skip(wire: number): void {
    if (wire === WIRE.varint) this.varint()
    else if (wire === WIRE.bytes) this.sized()
    else if (wire === WIRE.fixed64) this.#take(8)
    else if (wire === WIRE.fixed32) this.#take(4)
    else throw malformed(`wire type ${wire}`)
  }

  #take(size: number): Buffer {
    const end = this.#at + size
    if (end > this.#bytes.length) throw malformed('the message ends within a field')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}

export function malformed(what: string): Failure {
  return new Failure('invalid-argument', `proto: cannot parse invalid wire-format data: ${what}`)
}
