// Times of log entries as text: in the fixed form, thirty bytes, order of text is order of time.
import { Failure } from '../../base/failure.ts'

/** `2006-01-02T15:04:05.000000000Z`. */
export const FIXED_TIME_LENGTH = 30
const SECONDS_LENGTH = 19

/** An RFC 3339 time in UTC with nine digits of fraction; other zones and lengths are understood too. */
export function fixTime(text: string): string {
  if (text.endsWith('Z') && text.length >= SECONDS_LENGTH + 1 && text.length <= FIXED_TIME_LENGTH) {
    const fraction = text.length > SECONDS_LENGTH + 1 ? text.slice(SECONDS_LENGTH + 1, -1) : ''
    return `${text.slice(0, SECONDS_LENGTH)}.${fraction.padEnd(9, '0')}Z`
  }
  const epochMs = Date.parse(text)
  if (Number.isNaN(epochMs)) return '0001-01-01T00:00:00.000000000Z'
  const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? ''
  return `${new Date(epochMs).toISOString().slice(0, SECONDS_LENGTH)}.${fraction.padEnd(9, '0')}Z`
}

/** The query's `since` and `until`: seconds since the epoch with an optional fraction; undefined for none, '' and 0. */
export function parseLogTime(text: string | null): string | undefined {
  if (text === null || text === '' || text === '0') return undefined
  const match = /^(-?\d{1,15})(?:\.(\d{0,9})\d*)?$/.exec(text)
  if (!match) throw new Failure('invalid-argument', `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  const seconds = Number(match[1])
  if (seconds === 0 && Number(match[2] ?? 0) === 0) return undefined
  if (seconds < 0) return undefined
  const date = new Date(Math.min(seconds, 253_402_300_799) * 1000)
  return `${date.toISOString().slice(0, SECONDS_LENGTH)}.${(match[2] ?? '').padEnd(9, '0')}Z`
}

/** The same instant in milliseconds, for timers. */
export function timeToEpochMs(fixed: string): number {
  return Date.parse(`${fixed.slice(0, 23)}Z`)
}

const NS_PER_SECOND = 1_000_000_000n

/** Nanoseconds since the epoch in the fixed form; years beyond four digits become the first or the last. */
export function formatNanoseconds(ns: bigint): string {
  const fraction = ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND
  const date = new Date(Number((ns - fraction) / NS_PER_SECOND) * 1000)
  return `${date.toISOString().slice(0, SECONDS_LENGTH)}.${String(fraction).padStart(9, '0')}Z`
}
