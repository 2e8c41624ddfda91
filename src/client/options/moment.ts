// Moments on the command line: RFC 3339, seconds since the epoch, or a Go duration back from now.
import { goQuote } from '../../base/go/go-quote.ts'
import { invalid, parseDuration } from './values.ts'

/** Seconds since the epoch, as the Engine API wants them. Undefined where nothing is given. */
export function parseMoment(text: string | undefined, subject?: string, nowMs = Date.now()): string | undefined {
  if (!text) return undefined
  const durationNs = tryDuration(text)
  // Docker's client cuts the fraction off, so that an `until` of now leaves out the last second's.
  if (durationNs !== undefined) return String(Math.floor((nowMs * 1_000_000 - durationNs) / 1_000_000_000))
  const range = outOfRange(text)
  if (range !== undefined) throw invalid(`${prefix(subject)}parsing time ${goQuote(text)}: ${range} out of range`)
  const match = /^(\d{4}-\d\d-\d\d)(?:[T](\d\d:\d\d(?::\d\d)?|\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text)
  if (match !== null) {
    const [, day, clock = '00:00:00', fraction = '', zone] = match
    const time = clock.length === 2 ? `${clock}:00:00` : clock.length === 5 ? `${clock}:00` : clock
    // Without a zone it is local time.
    const ms = Date.parse(`${day}T${time}${zone ?? ''}`)
    if (!Number.isNaN(ms)) return formatSeconds(BigInt(ms) * 1_000_000n + BigInt(fraction.slice(1, 10).padEnd(9, '0')))
  }
  if (/^-?\d+(\.\d+)?$/.test(text)) return text
  const why = `failed to parse value as time or duration: ${goQuote(text)}`
  throw invalid(prefix(subject) + why)
}

function prefix(subject: string | undefined): string {
  return subject === undefined ? '' : `invalid value for ${goQuote(subject)}: `
}

/** What Go's parser of times complains of first; undefined where the text is no time at all. */
function outOfRange(text: string): string | undefined {
  const match = /^\d{4}-(\d\d)-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.\d+)?)?)?)?(?:Z|[+-](\d\d):(\d\d))?$/.exec(text)
  if (match === null) return undefined
  const [month, day, hour, minute, second, zoneHour, zoneMinute] = match.slice(1).map((part) => Number(part ?? 0))
  const checks = [
    ['month', (month ?? 0) < 1 || (month ?? 0) > 12],
    ['hour', (hour ?? 0) > 23],
    ['minute', (minute ?? 0) > 59],
    ['second', (second ?? 0) > 59],
    ['time zone offset hour', (zoneHour ?? 0) > 24],
    ['time zone offset minute', (zoneMinute ?? 0) > 60],
    ['day', (day ?? 0) < 1 || (day ?? 0) > 31],
  ] as const
  return checks.find(([, isOut]) => isOut)?.[0]
}

function tryDuration(text: string): number | undefined {
  try {
    return parseDuration(text)
  } catch {
    return undefined
  }
}

function formatSeconds(nanoseconds: bigint): string {
  return `${nanoseconds / 1_000_000_000n}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}`
}
