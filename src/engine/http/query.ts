// Values of query parameters, read by Docker's rules.
import { Failure } from '../../base/failure.ts'

const FALSE_WORDS = new Set(['', '0', 'no', 'false', 'none'])

/** Everything but a few words is true; a missing parameter is `fallback`. */
export function isTrue(query: URLSearchParams, name: string, fallback = false): boolean {
  const text = query.get(name)
  return text === null ? fallback : !FALSE_WORDS.has(text.trim().toLowerCase())
}

/** A decimal integer; undefined where the parameter is missing or empty. Throws with the words of Go's parser, which scripts know. */
export function parseInteger(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name) ?? ''
  if (text === '') return undefined
  if (!/^[+-]?\d+$/.test(text))
    throw new Failure('invalid-argument', `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
  const value = Number(text)
  if (!Number.isSafeInteger(value))
    throw new Failure('invalid-argument', `strconv.Atoi: parsing ${JSON.stringify(text)}: value out of range`)
  return value
}
