// Values of logging options as Go's packages and Docker's read them, refused in their words.
import { Failure } from '../../base/failure.ts'

const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])

/** strconv.ParseBool. */
export function parseGoBool(text: string): boolean {
  if (TRUE.has(text)) return true
  if (FALSE.has(text)) return false
  throw invalid(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`)
}

/** strconv.Atoi. */
export function parseGoInt(text: string): number {
  const value = Number(text)
  if (!/^[+-]?\d+$/.test(text)) throw invalid(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
  if (!Number.isSafeInteger(value)) throw invalid(`strconv.Atoi: parsing ${JSON.stringify(text)}: value out of range`)
  return value
}

const PREFIXES = ['', 'k', 'm', 'g', 't', 'p']

/** Bytes, as go-units reads sizes: `10m`, `1.5GB`, `4096`, `2 KiB`. `base`: 1000 for max-size (FromHumanSize), 1024 for memory (RAMInBytes). */
export function parseGoSize(text: string, base: 1000 | 1024): number {
  const last = Math.max(...[...'0123456789. '].map((letter) => text.lastIndexOf(letter)))
  if (last < 0) throw invalid(`invalid size: '${text}'`)
  const digits = text[last] === ' ' ? text.slice(0, last) : text.slice(0, last + 1)
  const suffix = text.slice(last + 1)
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(digits))
    throw invalid(`strconv.ParseFloat: parsing ${JSON.stringify(digits)}: invalid syntax`)
  const count = Number(digits)
  if (count < 0) throw invalid(`invalid size: '${text}'`)
  const match = /^(?:b?|([kmgtp])(?:b|ib)?)$/i.exec(suffix)
  if (!match) throw invalid(`invalid suffix: '${suffix.length > 3 ? suffix : suffix.toLowerCase()}'`)
  return Math.floor(count * base ** PREFIXES.indexOf((match[1] ?? '').toLowerCase()))
}

const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 6e10,
  h: 3.6e12,
}

/** Milliseconds, of what time.ParseDuration reads: `1m30s`, `-1.5h`. */
export function parseGoDuration(text: string): number {
  const sign = /^[+-]/.exec(text)?.[0] ?? ''
  const body = text.slice(sign.length)
  if (body === '0') return 0
  const quoted = JSON.stringify(text)
  const PART = /(\d+(?:\.\d*)?|\.\d+)([^\d.]*)/y
  let total = 0
  for (let at = 0; at < body.length || body === ''; at = PART.lastIndex) {
    PART.lastIndex = at
    const match = PART.exec(body)
    if (!match) throw invalid(`time: invalid duration ${quoted}`)
    const [, count = '', unit = ''] = match
    if (unit === '') throw invalid(`time: missing unit in duration ${quoted}`)
    const scale = NANOSECONDS[unit]
    if (scale === undefined) throw invalid(`time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`)
    total += Number(count) * scale
  }
  if (total >= 2 ** 63) throw invalid(`time: invalid duration ${quoted}`)
  return (sign === '-' ? -total : total) / 1e6
}

export function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}

/** As Go's errors.Wrap: the subject in front of what went wrong. */
export function wrapped<T>(subject: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw invalid(`${subject}: ${(error as Error).message}`)
  }
}
