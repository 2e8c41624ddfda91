// Files of a zip archive (PKWARE APPNOTE 6.3, sections 4.3.7 to 4.3.16): stored or deflated, without encryption or zip64.
import { crc32, inflateRawSync } from 'node:zlib'
import { Failure } from '../../base/failure.ts'

const LOCAL_HEADER = 0x04034b50
const CENTRAL_HEADER = 0x02014b50
const END_OF_CENTRAL = 0x06054b50
const END_BYTES = 22
/** The comment after the end record has at most this many bytes. */
const COMMENT_BYTES_MAX = 0xffff
const STORED = 0
const DEFLATED = 8

export function isZip(bytes: Buffer): boolean {
  return bytes.length >= 4 && bytes.readUInt32LE(0) === LOCAL_HEADER
}

/** Directories are left out. Throws Failure('invalid-argument') on what is malformed, or larger than the limits. */
export function readZip(bytes: Buffer, entriesMax: number, totalBytesMax: number): [string, Buffer][] {
  try {
    return readEntries(bytes, entriesMax, totalBytesMax)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure('invalid-argument', 'zip: not a valid zip file', { cause: error })
  }
}

function readEntries(bytes: Buffer, entriesMax: number, totalBytesMax: number): [string, Buffer][] {
  const end = findEnd(bytes)
  const count = bytes.readUInt16LE(end + 10)
  if (count > entriesMax) throw new Failure('invalid-argument', 'zip: too many files')
  const files: [string, Buffer][] = []
  let at = bytes.readUInt32LE(end + 16)
  let left = totalBytesMax
  for (let index = 0; index < count; index++) {
    if (bytes.readUInt32LE(at) !== CENTRAL_HEADER) throw new Error('no header')
    const nameLength = bytes.readUInt16LE(at + 28)
    const name = bytes.toString('utf8', at + 46, at + 46 + nameLength)
    if (!name.endsWith('/')) {
      const content = readContent(bytes, at, left)
      left -= content.length
      files.push([name, content])
    }
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
  }
  return files
}

function findEnd(bytes: Buffer): number {
  const first = Math.max(0, bytes.length - END_BYTES - COMMENT_BYTES_MAX)
  for (let at = bytes.length - END_BYTES; at >= first; at--) if (bytes.readUInt32LE(at) === END_OF_CENTRAL) return at
  throw new Error('no end record')
}

/** @param header where the file's entry in the central directory is. */
function readContent(bytes: Buffer, header: number, bytesMax: number): Buffer {
  const method = bytes.readUInt16LE(header + 10)
  const packedSize = bytes.readUInt32LE(header + 20)
  const size = bytes.readUInt32LE(header + 24)
  if (size > bytesMax) throw new Failure('invalid-argument', 'read exceeds the defined limit')
  const local = bytes.readUInt32LE(header + 42)
  const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28)
  if (start + packedSize > bytes.length) throw new Error('too short')
  const content = unpack(method, bytes.subarray(start, start + packedSize), size)
  if (content.length !== size || crc32(content) !== bytes.readUInt32LE(header + 16))
    throw new Failure('invalid-argument', 'zip: checksum error')
  return content
}

function unpack(method: number, packed: Buffer, size: number): Buffer {
  if (method === STORED) return packed
  if (method !== DEFLATED) throw new Failure('invalid-argument', 'zip: unsupported compression algorithm')
  return inflateRawSync(packed, { maxOutputLength: Math.max(size, 1) })
}
