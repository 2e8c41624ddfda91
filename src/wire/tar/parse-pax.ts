// Pax extended header records: "<length> <key>=<value>\n", the length counting the whole record.
import { Failure } from '../../base/failure.ts'
import type { ByteString, TarTime } from './entry.ts'

export type PaxRecords = Map<ByteString, ByteString>

/** Throws Failure('invalid-argument'). A later record of a key replaces an earlier one. */
export function parsePax(bytes: Buffer): PaxRecords {
  const records: PaxRecords = new Map()
  let at = 0
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at)
    const digits = space < 0 || space - at > 10 ? '' : bytes.toString('latin1', at, space)
    const length = /^\d+$/.test(digits) ? Number(digits) : 0
    const end = at + length
    if (length <= digits.length + 2 || end > bytes.length || bytes[end - 1] !== 0x0a) throw invalid()
    const equals = bytes.indexOf(0x3d, space + 1)
    if (equals < 0 || equals >= end || equals === space + 1) throw invalid()
    const key = bytes.toString('latin1', space + 1, equals)
    const value = bytes.toString('latin1', equals + 1, end - 1)
    // A NUL would end the name early in the kernel but not here; only attribute values are binary.
    if (key.includes('\0') || (value.includes('\0') && !key.startsWith(XATTR_PREFIX))) throw invalid()
    // An empty value takes back what was said (pax(1)).
    if (value === '') records.delete(key)
    else records.set(key, value)
    at = end
  }
  return records
}

/** Records of this prefix carry extended attributes, values being raw bytes (star's convention, which Docker uses). */
export const XATTR_PREFIX = 'SCHILY.xattr.'

/** "1700000000.123456789", perhaps negative. */
export function parsePaxTime(text: string): TarTime {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text)
  if (!match) throw invalid()
  const nanos = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'))
  const seconds = Number(match[2])
  if (match[1] !== '-') return { seconds, nanos }
  return nanos === 0 ? { seconds: -seconds, nanos: 0 } : { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos }
}

/** A decimal that fits a safe integer. */
export function parsePaxNumber(text: string): number {
  const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw invalid()
  return value
}

function invalid(): Failure {
  return new Failure('invalid-argument', 'archive/tar: invalid tar header')
}
