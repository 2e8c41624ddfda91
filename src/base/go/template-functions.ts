// The functions of Go's templates and those that the Docker client adds.

import { goJson } from './go-json.ts'
import { goQuote } from './go-quote.ts'

export type TemplateFunction = (...args: unknown[]) => unknown

export function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === '') return false
  if (Array.isArray(value)) return value.length > 0
  if (typeof value === 'object') return Object.keys(value).length > 0
  return true
}

/** As Go's fmt prints a value with %v. */
export function toText(value: unknown): string {
  if (value === undefined) return '<no value>'
  if (value === null) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(toText).join(' ')}]`
  if (typeof value !== 'object') return String(value)
  const entries = Object.entries(value).filter(([, item]) => typeof item !== 'function')
  // Fields of a struct have names with capitals; anything else is a map.
  if (entries.length > 0 && entries.every(([key]) => /^[A-Z]\w*$/.test(key)))
    return `{${entries.map(([, item]) => toText(item)).join(' ')}}`
  return `map[${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${key}:${toText(item)}`)
    .join(' ')}]`
}

const compare = (a: unknown, b: unknown): number =>
  typeof a === 'number' && typeof b === 'number' ? a - b : String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0
const text = (value: unknown) => (typeof value === 'string' ? value : toText(value))

export const FUNCTIONS: Record<string, TemplateFunction> = {
  and: (...args) => args.find((item) => !isTrue(item)) ?? args.at(-1),
  or: (...args) => args.find(isTrue) ?? args.at(-1),
  not: (value) => !isTrue(value),
  eq: (first, ...others) => others.some((other) => compare(first, other) === 0),
  ne: (a, b) => compare(a, b) !== 0,
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  len: (value) =>
    typeof value === 'string'
      ? Buffer.byteLength(value)
      : value !== null && typeof value === 'object'
        ? Object.keys(value).length
        : 0,
  index: (value, ...keys) => keys.reduce(indexOnce, value),
  slice: (value, from, to) => sliceValue(value, Number(from ?? 0), to === undefined ? undefined : Number(to)),
  html: (value) => text(value).replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`),
  js: (value) => text(value).replace(/[\\'"<>&=]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`),
  urlquery: (...args) => encodeURIComponent(args.map(text).join('')),
  print: (...args) => args.map(text).join(' '),
  println: (...args) => `${args.map(text).join(' ')}\n`,
  printf: (format, ...args) => formatPrintf(text(format), args),
  json: (value) => goJson(value),
  upper: (value) => text(value).toUpperCase(),
  lower: (value) => text(value).toLowerCase(),
  title: (value) => text(value).replace(/\b\w/g, (letter) => letter.toUpperCase()),
  split: (value, separator) => text(value).split(text(separator)),
  join: (values, separator) => (Array.isArray(values) ? values.map(text).join(text(separator)) : ''),
  pad: (value, before, after) => (text(value) === '' ? '' : `${spaces(before)}${text(value)}${spaces(after)}`),
  truncate: (value, length) => text(value).slice(0, Number(length)),
}

/** Nobody's table is wider; a template is a stranger's, and must not fill the memory. */
const PRINT_WIDTH_MAX = 10_000

function formatPrintf(format: string, args: unknown[]): string {
  const queue = [...args]
  return format.replace(/%(%|[-+# 0]*\d*(?:\.\d+)?[a-zA-Z])/g, (_whole, verb: string) => {
    if (verb === '%') return '%'
    const value = queue.shift()
    const [, flags = '', width = '', , letter = 'v'] = /^([-+# 0]*)(\d*)(\.\d+)?([a-zA-Z])$/.exec(verb) ?? []
    const body = letter === 'q' ? goQuote(text(value)) : letter === 'x' ? Number(value).toString(16) : text(value)
    if (Number(width) > PRINT_WIDTH_MAX) throw new Error(`width ${width} is too large`)
    return flags.includes('-')
      ? body.padEnd(Number(width))
      : body.padStart(Number(width), flags.includes('0') ? '0' : ' ')
  })
}

/** Functions that change text, where a table's header is made: it stays as it is. */
export const HEADER_FUNCTIONS: Record<string, TemplateFunction> = Object.fromEntries(
  ['json', 'split', 'join', 'title', 'lower', 'upper', 'truncate'].map((name) => [name, (value: unknown) => value]),
)

function spaces(count: unknown): string {
  if (Number(count) > PRINT_WIDTH_MAX) throw new Error(`width ${text(count)} is too large`)
  return ' '.repeat(Math.max(0, Number(count)))
}

function indexOnce(holder: unknown, key: unknown): unknown {
  if (holder === null || holder === undefined) throw new Error('index of untyped nil')
  if (Array.isArray(holder) || typeof holder === 'string') {
    if (typeof key !== 'number') throw new Error(`cannot index slice/array with type ${typeof key}`)
    if (key < 0 || key >= holder.length) throw new Error(`index out of range: ${key}`)
    return typeof holder === 'string' ? holder.charCodeAt(key) : holder[key]
  }
  if (typeof holder !== 'object') throw new Error(`can't index item of type ${typeof holder}`)
  const found = (holder as Record<string, unknown>)[String(key)]
  // A map of texts has an empty one for what it does not hold.
  return found === undefined && Object.values(holder).some((item) => typeof item === 'string') ? '' : found
}

function sliceValue(value: unknown, from: number, to: number | undefined): unknown {
  if (typeof value !== 'string' && !Array.isArray(value)) throw new Error(`can't slice item of type ${typeof value}`)
  if (from > value.length || (to ?? 0) > value.length) throw new Error(`index out of range: ${to ?? from}`)
  return value.slice(from, to)
}
