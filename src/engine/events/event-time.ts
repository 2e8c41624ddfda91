// `since` and `until`: Unix seconds with an optional fraction.
import { Failure } from '../../base/failure.ts'

/** Nanoseconds since the epoch; undefined where the parameter is missing or 0. */
export function parseEventTime(query: URLSearchParams, name: string): bigint | undefined {
  const text = query.get(name) ?? ''
  if (text === '' || text === '0') return undefined
  const [, seconds, fraction = ''] = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text) ?? []
  if (seconds === undefined)
    throw new Failure(
      'invalid-argument',
      `invalid value for '${name}': strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`,
    )
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
}
