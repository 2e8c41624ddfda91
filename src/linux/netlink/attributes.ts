// Netlink attributes (netlink(7)): u16 length, u16 type, payload, padded to four bytes. Pure; both architectures we run on are little-endian.
import { Failure } from '../../base/failure.ts'

const HEADER_SIZE = 4
const NESTED_FLAG = 0x8000
const TYPE_MASK = 0x3fff

/** One attribute; the parts are its payload one after the other. */
export function attribute(type: number, ...parts: readonly Uint8Array[]): Buffer {
  const size = parts.reduce((sum, part) => sum + part.length, HEADER_SIZE)
  const bytes = Buffer.alloc(align(size)) // zeroed: the padding goes to the kernel
  bytes.writeUInt16LE(size, 0)
  bytes.writeUInt16LE(type, 2)
  let offset = HEADER_SIZE
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}

/** An attribute that holds attributes, marked so. */
export function nested(type: number, ...children: readonly Uint8Array[]): Buffer {
  return attribute(type | NESTED_FLAG, ...children)
}

/** Attributes in their order; several may share a type. */
export function listAttributes(bytes: Uint8Array): { type: number; value: Buffer }[] {
  const buffer = asBuffer(bytes)
  const found: { type: number; value: Buffer }[] = []
  let offset = 0
  while (offset + HEADER_SIZE <= buffer.length) {
    const size = buffer.readUInt16LE(offset)
    if (size < HEADER_SIZE || offset + size > buffer.length)
      throw new Failure('internal', `netlink attribute of ${size} bytes at ${offset} of ${buffer.length}`)
    found.push({
      type: buffer.readUInt16LE(offset + 2) & TYPE_MASK,
      value: buffer.subarray(offset + HEADER_SIZE, offset + size),
    })
    offset += align(size)
  }
  return found
}

/** Attributes by type; of several with one type the last. */
export function readAttributes(bytes: Uint8Array): Map<number, Buffer> {
  return new Map(listAttributes(bytes).map(({ type, value }) => [type, value]))
}

export function u8(value: number): Buffer {
  return Buffer.from([value])
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

/** Network byte order, as nf_tables has its numbers. */
export function be16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

/** Network byte order; negative numbers as two's complement. */
export function be32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** A string with its NUL. */
export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`)
}

/** The string in front of the first NUL. */
export function readText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return asBuffer(end < 0 ? bytes : bytes.subarray(0, end)).toString('utf8')
}

export function align(size: number): number {
  return (size + 3) & ~3
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
