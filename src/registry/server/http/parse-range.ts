// Ranges of requests: `Range` of downloads (RFC 9110, 14.2), `Content-Range` of uploads, which has no unit there (distribution-spec).
import { ApiError } from '../api-error.ts'
import type { ByteRange } from '../storage/store.ts'

/** Undefined: the whole. Several ranges at once are answered with the whole, as the RFC allows. */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined | 'unsatisfiable' {
  const [matched, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (matched === undefined) return undefined
  if (first === '' && last === '') return undefined
  if (first === '') {
    const count = Math.min(Number(last), size)
    return count === 0 ? 'unsatisfiable' : { start: size - count, end: size - 1 }
  }
  const [start, end] = [Number(first), last === '' ? size - 1 : Math.min(Number(last), size - 1)]
  return start >= size || end < start ? 'unsatisfiable' : { start, end }
}

/** `0-1023`, inclusive; undefined without the header. Throws RANGE_INVALID. */
export function parseContentRange(header: string | undefined): ByteRange | undefined {
  if (header === undefined) return undefined
  const [matched, first, last] = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header) ?? []
  const [start, end] = [Number(first), Number(last)]
  if (matched === undefined || end < start) throw new ApiError('RANGE_INVALID', { detail: header.slice(0, 100) })
  return { start, end }
}
