// The filter `until` of the prunes: older than a time, or than a while ago.
import { Failure } from '../../base/failure.ts'
import type { Filters } from './filters.ts'

/** Milliseconds since the epoch; undefined where nothing was said. Throws invalid-argument. */
export function parseUntil(filters: Filters, nowMs: number): number | undefined {
  const [text, ...others] = filters.get('until')
  if (text === undefined) return undefined
  if (others.length > 0) throw new Failure('invalid-argument', 'more than one until filter specified')
  return parseTimestamp(text, nowMs)
}

/** Milliseconds since the epoch of Unix seconds, of (a part of) an RFC 3339 time, or of a Go duration counted back from now. Throws invalid-argument. */
export function parseTimestamp(text: string, nowMs: number): number {
  const durationMs = text === '0' ? undefined : parseDuration(text)
  if (durationMs !== undefined) return Math.floor((nowMs - durationMs) / 1000) * 1000
  const time = parseDate(text)
  if (time !== undefined) return time
  const [, seconds, fraction = ''] = /^(-?\d{1,15})(?:\.(\d{1,9}))?$/.exec(text) ?? []
  if (seconds !== undefined && !text.startsWith('-')) return Number(`${seconds}.${fraction}`) * 1000
  throw new Failure('invalid-argument', `failed to parse value as time or duration: ${JSON.stringify(text)}`)
}

const DATE = /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(\.\d{1,9})?)?)?)?(Z|[+-]\d\d:\d\d)?$/

/** What is left out of a time is zero; without a zone it is the daemon's. */
function parseDate(text: string): number | undefined {
  const [whole, date, hours = '00', minutes = '00', seconds = '00', fraction = '', zone = ''] = DATE.exec(text) ?? []
  if (whole === undefined) return undefined
  const time = Date.parse(`${date}T${hours}:${minutes}:${seconds}${fraction.slice(0, 4)}${zone}`)
  return Number.isNaN(time) ? undefined : time
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ...{ h: 3_600_000, m: 60_000, s: 1000, ms: 1, ns: 1e-6 },
  ...{ us: 1e-3, '\u00b5s': 1e-3, '\u03bcs': 1e-3 },
}

/** As Go writes them: `1h30m`, `-1.5s`. */
function parseDuration(text: string): number | undefined {
  if (!/^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:h|ms|m|s|us|\u00b5s|\u03bcs|ns))+$/.test(text)) return undefined
  let totalMs = 0
  for (const [, count, unit = ''] of text.matchAll(/(\d+\.?\d*|\.\d+)(h|ms|m|s|us|\u00b5s|\u03bcs|ns)/g))
    totalMs += Number(count) * (UNIT_MS[unit] ?? 0)
  return text.startsWith('-') ? -totalMs : totalMs
}
