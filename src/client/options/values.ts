// Values of flags: sizes, durations, key=value pairs, CSV. Errors in Docker's words.
import { Failure } from '../../base/failure.ts'
import { goQuote } from '../../base/go/go-quote.ts'

export function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}

const UNIT: Record<string, number> = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 }

/** `64m`, `1.5g`, `1073741824`, as docker/go-units reads them in RAMInBytes. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d*)?|\.\d+) ?(?:([kmgtp])(?:i?b)?|b)?$/i.exec(text)
  if (match === null) throw invalid(sizeComplaint(text))
  return Math.floor(Number(match[1]) * (UNIT[(match[2] ?? '').toLowerCase()] ?? 1))
}

function sizeComplaint(text: string): string {
  const number = /^[\d. ]+/.exec(text)?.[0].trim() ?? ''
  if (number === '') return `invalid size: '${text}'`
  if (Number.isNaN(Number(number))) return `strconv.ParseFloat: parsing ${goQuote(number)}: invalid syntax`
  return `invalid suffix: '${text.slice(number.length).trim().toLowerCase()}'`
}

/** Like parseBytes; `-1` means without limit. */
export function parseMemory(text: string): number {
  return text === '-1' ? -1 : parseBytes(text)
}

/** `a=b` and plain `a`, which means `a=`. */
export function parseKeyValues(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(entries.map(cutPair))
}

/** At the first equals sign. */
export function cutPair(entry: string): [string, string] {
  const equals = entry.indexOf('=')
  return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)]
}

const NANOSECONDS: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 }

/** A Go duration, in nanoseconds. */
export function parseDuration(text: string): number {
  const complaint = `time: invalid duration ${goQuote(text)}`
  const sign = text.startsWith('-') ? -1 : 1
  const digits = text.replace(/^[+-]/, '')
  if (digits === '0') return 0
  if (/^(\d+\.?\d*|\.\d+)$/.test(digits)) throw invalid(`time: missing unit in duration ${goQuote(text)}`)
  const parts = [...digits.matchAll(/(\d+\.?\d*|\.\d+)([^\d.]+)/g)]
  if (digits === '' || parts.map(([whole]) => whole).join('') !== digits) throw invalid(complaint)
  let total = 0
  for (const [, amount, unit = ''] of parts) {
    const nanoseconds = NANOSECONDS[unit]
    if (nanoseconds === undefined) throw invalid(`time: unknown unit ${goQuote(unit)} in duration ${goQuote(text)}`)
    total += Number(amount) * nanoseconds
  }
  return sign * Math.round(total)
}

/** `0.5` or `1/2`, in billionths. */
export function parseCpus(text: string): number {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\/(\d+))?$/.exec(text)
  if (match === null || Number(match[2] ?? 1) === 0) throw invalid(`failed to parse ${text} as a rational number`)
  const billionths = (Number(match[1]) * 1e9) / Number(match[2] ?? 1)
  if (Math.abs(billionths - Math.round(billionths)) > 1e-6) throw invalid('value is too precise')
  return Math.round(billionths)
}

export interface Ulimit {
  Name: string
  Hard: number
  Soft: number
}

const ULIMITS = 'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
  ' ',
)

/** `nofile=64` or `nofile=64:128`. */
export function parseUlimit(text: string): Ulimit {
  const equals = text.indexOf('=')
  if (equals < 0) throw invalid(`invalid ulimit argument: ${text}`)
  const name = text.slice(0, equals)
  if (!ULIMITS.includes(name)) throw invalid(`invalid ulimit type: ${name}`)
  const limits = text.slice(equals + 1).split(':')
  if (limits.length > 2)
    throw invalid(`too many limit value arguments - ${limits.join(':')}, can only have up to two, \`soft[:hard]\``)
  const numbers = limits.map((limit) => {
    if (!/^[+-]?\d+$/.test(limit)) throw invalid(`strconv.ParseInt: parsing ${goQuote(limit)}: invalid syntax`)
    return Number(limit)
  })
  const [soft = 0, hard = soft] = numbers
  if (hard !== -1 && (soft === -1 || soft > hard))
    throw invalid(
      soft === -1
        ? `ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: ${hard}`
        : `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`,
    )
  return { Name: name, Hard: hard, Soft: soft }
}

/** One record of CSV as Go's encoding/csv reads it: fields in quotes may hold commas and doubled quotes. */
export function parseCsv(text: string): string[] {
  if (text === '') throw invalid('EOF')
  const fields: string[] = []
  for (let at = 0; at <= text.length; ) {
    if (text[at] === '"') {
      const match = /"((?:[^"]|"")*)"(,|$)/y
      match.lastIndex = at
      const found = match.exec(text)
      if (found === null)
        throw invalid(`parse error on line 1, column ${text.length + 1}: extraneous or missing " in quoted-field`)
      fields.push((found[1] ?? '').replaceAll('""', '"'))
      at = match.lastIndex
      if (found[2] === '') break
      continue
    }
    const comma = text.indexOf(',', at)
    const field = text.slice(at, comma < 0 ? undefined : comma)
    const quote = field.indexOf('"')
    if (quote >= 0) throw invalid(`parse error on line 1, column ${at + quote + 1}: bare " in non-quoted field`)
    fields.push(field)
    if (comma < 0) break
    at = comma + 1
  }
  return fields
}

/** Go's strconv.ParseBool; undefined for what it rejects. */
export function parseBoolean(text: string): boolean | undefined {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true
  return ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text) ? false : undefined
}
