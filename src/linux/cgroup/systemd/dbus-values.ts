// D-Bus values as bytes (D-Bus Specification, "Marshaling"): the types that systemd's interfaces use, which are nearly all of them.
import { Failure } from '../../../base/failure.ts'

/** Arrays and structures are lists; `ay` may be bytes; 64-bit numbers are bigints. */
export type DbusValue = boolean | number | bigint | string | Uint8Array | DbusVariant | readonly DbusValue[]

/** A value that carries its own type. */
export interface DbusVariant {
  signature: string
  value: DbusValue
}

const ALIGNMENT: Record<string, number> = {
  ...{ y: 1, b: 4, n: 2, q: 2, i: 4, u: 4, x: 8, t: 8, d: 8, s: 4, o: 4, g: 1, v: 1, a: 4, '(': 8, '{': 8 },
}
const DEPTH_MAX = 32

/** `a(sv)uo` is `a(sv)`, `u`, `o`. */
export function splitSignature(signature: string): string[] {
  const types: string[] = []
  for (let at = 0; at < signature.length; ) {
    const end = endOfType(signature, at, 0)
    types.push(signature.slice(at, end))
    at = end
  }
  return types
}

function endOfType(signature: string, at: number, depth: number): number {
  const code = signature[at]
  if (code === undefined || ALIGNMENT[code] === undefined || depth > DEPTH_MAX) throw wrongSignature(signature)
  if (code === 'a') return endOfType(signature, at + 1, depth + 1)
  const close = code === '(' ? ')' : code === '{' ? '}' : undefined
  if (close === undefined) return at + 1
  let end = at + 1
  while (signature[end] !== close) end = endOfType(signature, end, depth + 1)
  return end + 1
}

function wrongSignature(signature: string): Failure {
  return new Failure('data-loss', `D-Bus: wrong signature ${JSON.stringify(signature.slice(0, 255))}`)
}

export class DbusWriter {
  #bytes = Buffer.alloc(256)
  #length = 0

  get length(): number {
    return this.#length
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  align(boundary: number): void {
    this.#take((boundary - (this.#length % boundary)) % boundary)
  }

  append(bytes: Uint8Array): void {
    const at = this.#take(bytes.length)
    this.#bytes.set(bytes, at)
  }

  write(type: string, value: DbusValue): void {
    const code = type[0] ?? ''
    this.align(ALIGNMENT[code] ?? 1)
    switch (code) {
      case 'y':
        this.#put(1, (bytes, at) => bytes.writeUInt8(numberOf(type, value), at))
        return
      case 'b':
        if (typeof value !== 'boolean') throw wrongValue(type, value)
        this.#put(4, (bytes, at) => bytes.writeUInt32LE(value ? 1 : 0, at))
        return
      case 'n':
        this.#put(2, (bytes, at) => bytes.writeInt16LE(numberOf(type, value), at))
        return
      case 'q':
        this.#put(2, (bytes, at) => bytes.writeUInt16LE(numberOf(type, value), at))
        return
      case 'i':
        this.#put(4, (bytes, at) => bytes.writeInt32LE(numberOf(type, value), at))
        return
      case 'u':
        this.#put(4, (bytes, at) => bytes.writeUInt32LE(numberOf(type, value), at))
        return
      case 'x':
        this.#put(8, (bytes, at) => bytes.writeBigInt64LE(bigOf(type, value), at))
        return
      case 't':
        this.#put(8, (bytes, at) => bytes.writeBigUInt64LE(bigOf(type, value), at))
        return
      case 'd':
        this.#put(8, (bytes, at) => bytes.writeDoubleLE(numberOf(type, value), at))
        return
      case 's':
      case 'o':
        return this.#text(type, value, 4)
      case 'g':
        return this.#text(type, value, 1)
      case 'v':
        return this.#variant(value)
      case 'a':
        return this.#array(type.slice(1), value)
      case '(':
      case '{':
        return this.#structure(type, value)
      default:
        throw wrongSignature(type)
    }
  }

  #put(count: number, write: (bytes: Buffer, at: number) => void): void {
    const at = this.#take(count) // first: it may move the buffer
    write(this.#bytes, at)
  }

  #take(count: number): number {
    const at = this.#length
    if (at + count > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, at + count))
      this.#bytes.copy(larger)
      this.#bytes = larger
    }
    this.#bytes.fill(0, at, at + count)
    this.#length += count
    return at
  }

  #text(type: string, value: DbusValue, lengthBytes: 1 | 4): void {
    if (typeof value !== 'string' || value.includes('\0')) throw wrongValue(type, value)
    const bytes = Buffer.from(value, 'utf8')
    const at = this.#take(lengthBytes + bytes.length + 1)
    if (lengthBytes === 4) this.#bytes.writeUInt32LE(bytes.length, at)
    else this.#bytes.writeUInt8(bytes.length, at)
    this.#bytes.set(bytes, at + lengthBytes)
  }

  #variant(value: DbusValue): void {
    if (!isVariant(value) || splitSignature(value.signature).length !== 1) throw wrongValue('v', value)
    this.write('g', value.signature)
    this.write(value.signature, value.value)
  }

  #array(element: string, value: DbusValue): void {
    const lengthAt = this.#take(4)
    this.align(ALIGNMENT[element[0] ?? ''] ?? 1) // not counted, and there even if nothing follows
    const start = this.#length
    if (value instanceof Uint8Array && element === 'y') this.append(value)
    else if (isList(value)) for (const item of value) this.write(element, item)
    else throw wrongValue(`a${element}`, value)
    this.#bytes.writeUInt32LE(this.#length - start, lengthAt)
  }

  #structure(type: string, value: DbusValue): void {
    const members = splitSignature(type.slice(1, -1))
    if (!isList(value) || value.length !== members.length) throw wrongValue(type, value)
    for (const [index, member] of members.entries()) this.write(member, value[index] ?? '')
  }
}

/** What is not a message, or longer than it says, is a Failure('data-loss'). */
export class DbusReader {
  readonly #view: DataView
  readonly #isLittle: boolean
  #at: number

  constructor(bytes: Uint8Array, isLittle: boolean, at = 0) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#isLittle = isLittle
    this.#at = at
  }

  get at(): number {
    return this.#at
  }

  align(boundary: number): void {
    this.#take((boundary - (this.#at % boundary)) % boundary)
  }

  read(type: string, depth = 0): DbusValue {
    if (depth > DEPTH_MAX) throw wrongSignature(type)
    const code = type[0] ?? ''
    this.align(ALIGNMENT[code] ?? 1)
    const little = this.#isLittle
    switch (code) {
      case 'y':
        return this.#view.getUint8(this.#take(1))
      case 'b':
        return this.#view.getUint32(this.#take(4), little) !== 0
      case 'n':
        return this.#view.getInt16(this.#take(2), little)
      case 'q':
        return this.#view.getUint16(this.#take(2), little)
      case 'i':
        return this.#view.getInt32(this.#take(4), little)
      case 'u':
        return this.#view.getUint32(this.#take(4), little)
      case 'x':
        return this.#view.getBigInt64(this.#take(8), little)
      case 't':
        return this.#view.getBigUint64(this.#take(8), little)
      case 'd':
        return this.#view.getFloat64(this.#take(8), little)
      case 's':
      case 'o':
        return this.#text(this.#view.getUint32(this.#take(4), little))
      case 'g':
        return this.#text(this.#view.getUint8(this.#take(1)))
      case 'v':
        return this.#variant(depth)
      case 'a':
        return this.#array(type.slice(1), depth)
      case '(':
      case '{':
        return splitSignature(type.slice(1, -1)).map((member) => this.read(member, depth + 1))
      default:
        throw wrongSignature(type)
    }
  }

  #take(count: number): number {
    const at = this.#at
    if (at + count > this.#view.byteLength) throw new Failure('data-loss', 'D-Bus: a message ends too early')
    this.#at += count
    return at
  }

  #text(length: number): string {
    const at = this.#take(length + 1)
    return Buffer.from(this.#view.buffer, this.#view.byteOffset + at, length).toString('utf8')
  }

  #variant(depth: number): DbusVariant {
    const signature = this.#text(this.#view.getUint8(this.#take(1)))
    if (splitSignature(signature).length !== 1) throw wrongSignature(signature)
    return { signature, value: this.read(signature, depth + 1) }
  }

  #array(element: string, depth: number): DbusValue {
    const length = this.#view.getUint32(this.#take(4), this.#isLittle)
    this.align(ALIGNMENT[element[0] ?? ''] ?? 1)
    const end = this.#at + length
    if (end > this.#view.byteLength) throw new Failure('data-loss', 'D-Bus: a message ends too early')
    const items: DbusValue[] = []
    while (this.#at < end) items.push(this.read(element, depth + 1))
    return items
  }
}

export function isVariant(value: DbusValue): value is DbusVariant {
  return typeof value === 'object' && 'signature' in value && 'value' in value
}

function isList(value: DbusValue): value is readonly DbusValue[] {
  return Array.isArray(value)
}

function numberOf(type: string, value: DbusValue): number {
  if (typeof value === 'number') return value
  throw wrongValue(type, value)
}

function bigOf(type: string, value: DbusValue): bigint {
  if (typeof value === 'bigint') return value
  throw wrongValue(type, value)
}

function wrongValue(type: string, value: DbusValue): Failure {
  return new Failure('invalid-argument', `D-Bus: ${typeof value} ${String(value).slice(0, 100)} is no ${type}`)
}
