// One 512-byte header block. Numbers and texts in it are hostile until they come out of here.
import { Failure } from '../../base/failure.ts'
import type { ByteString } from './entry.ts'

/** A header block as it stands, before pax records and long names are laid over it. */
export interface RawHeader {
  name: ByteString
  linkName: ByteString
  /** The type flag: '0' to '7', 'L', 'K', 'x', 'g', 'S', …; an old archive's NUL has become '0'. */
  typeFlag: string
  mode: number
  uid: number
  gid: number
  size: number
  mtime: number
  deviceMajor: number
  deviceMinor: number
}

/** Throws Failure('invalid-argument') on a wrong checksum or a number that is none. Undefined for a block of zeros. */
export function parseHeader(block: Buffer): RawHeader | undefined {
  if (!checksumMatches(block)) {
    if (isZero(block)) return undefined
    throw new Failure('invalid-argument', 'archive/tar: invalid tar header')
  }
  const isUstar = block.toString('latin1', 257, 265) === 'ustar\x0000'
  const name = text(block, 0, 100)
  // GNU keeps times where ustar has the prefix, so the prefix counts only under ustar's own magic.
  const prefix = isUstar ? text(block, 345, 155) : ''
  const hasDevices = isUstar || block.toString('latin1', 257, 265) === 'ustar  \0'
  const flag = block[156]!
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: text(block, 157, 100),
    typeFlag: flag === 0 ? '0' : String.fromCharCode(flag),
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: number(block, 136, 12),
    deviceMajor: hasDevices ? number(block, 329, 8) : 0,
    deviceMinor: hasDevices ? number(block, 337, 8) : 0,
  }
}

const CHECKSUM_AT = 148
const CHECKSUM_END = 156
const SPACE = 0x20

/** Sum of all bytes with the checksum's own taken as spaces. Some old writers summed signed bytes. */
function checksumMatches(block: Buffer): boolean {
  let unsigned = 0
  let high = 0
  for (let i = 0; i < 512; i++) {
    const byte = i >= CHECKSUM_AT && i < CHECKSUM_END ? SPACE : block[i]!
    unsigned += byte
    high += byte >> 7
  }
  if (unsigned === SPACE * 8) return false // nothing but zeros
  const stated = number(block, CHECKSUM_AT, 8)
  return stated === unsigned || stated === unsigned - 256 * high
}

function isZero(block: Buffer): boolean {
  for (let i = 0; i < 512; i++) if (block[i] !== 0) return false
  return true
}

function text(block: Buffer, start: number, length: number): ByteString {
  let end = start
  while (end < start + length && block[end] !== 0) end++
  return block.toString('latin1', start, end)
}

/** Octal digits among spaces and NULs, or base-256 (two's complement) where the first bit is set. */
function number(block: Buffer, start: number, length: number): number {
  if (block[start]! & 0x80) return base256(block, start, length)
  let value = 0
  let i = start
  const end = start + length
  while (i < end && (block[i] === SPACE || block[i] === 0)) i++
  for (; i < end && block[i] !== SPACE && block[i] !== 0; i++) {
    const digit = block[i]! - 0x30
    if (digit < 0 || digit > 7) throw new Failure('invalid-argument', 'archive/tar: invalid tar header')
    value = value * 8 + digit
  }
  return value
}

function base256(block: Buffer, start: number, length: number): number {
  let value = BigInt(block[start]! & 0x7f)
  for (let i = start + 1; i < start + length; i++) value = (value << 8n) | BigInt(block[i]!)
  const signed = BigInt.asIntN(length * 8 - 1, value)
  if (signed > BigInt(Number.MAX_SAFE_INTEGER) || signed < BigInt(Number.MIN_SAFE_INTEGER))
    throw new Failure('invalid-argument', 'archive/tar: invalid tar header')
  return Number(signed)
}
