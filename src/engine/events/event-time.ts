// `since` and `until`: Unix seconds with an optional fraction.
import { Failure } from '../../base/failure.ts'

/** Nanoseconds since the epoch; undefined where the parameter is missing, or -1 as old clients say it. Digits behind the ninth are dropped. */
export function parseEventTime(query: URLSearchParams, name: string): bigint | undefined {
  const text = query.get(name) ?? ''
  if (text === '' || text === '-1') return undefined
  const [, sign = '', seconds, fraction = ''] = /^([+-]?)(\d{1,12})(?:\.(\d{0,20}))?$/.exec(text) ?? []
  if (seconds === undefined)
    throw new Failure('invalid-argument', `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  const whole = BigInt(seconds) * (sign === '-' ? -1n : 1n)
  return whole * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'))
}
