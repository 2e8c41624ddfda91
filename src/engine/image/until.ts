// The filter `until`: older than a time, or than a while ago.
import { Failure } from '../../base/failure.ts'
import { type Filters, invalidFilter } from '../http/filters.ts'

const UNIT_MS: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 }

/** Milliseconds since the epoch. Takes Unix seconds, RFC 3339 or a Go duration counted back from now. */
export function parseUntil(filters: Filters, nowMs: number): number {
  const values = filters.get('until')
  if (values.length !== 1) throw invalidFilter(`until=[${values.join(' ')}]`)
  return parseMoment(values[0] ?? '', nowMs)
}

/** One value of such a filter. */
export function parseMoment(text: string, nowMs: number): number {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) * 1000
  const durationMs = parseDuration(text)
  if (durationMs !== undefined) return nowMs - durationMs
  // JavaScript reads dates out of nearly anything, and this decides what is removed.
  const isDate = /^\d{4}-\d\d-\d\d(?:T[\d:.]+)?(?:Z|[+-]\d\d:\d\d)?$/.test(text)
  // A date without an offset is in UTC here: the daemon's zone is nobody's business.
  const time = isDate ? Date.parse(/T[\d:.]+$/.test(text) ? `${text}Z` : text) : Number.NaN
  if (Number.isNaN(time))
    throw new Failure('invalid-argument', `failed to parse value as time or duration: ${JSON.stringify(text)}`)
  return time
}

function parseDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+$/.test(text)) return undefined
  let totalMs = 0
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g))
    totalMs += Number(number) * (UNIT_MS[unit ?? ''] ?? 0)
  return totalMs
}
