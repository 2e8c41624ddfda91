// The functions of Go's templates and those that the Docker client adds.

type TemplateFunction = (...args: unknown[]) => unknown

export function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === '') return false
  if (Array.isArray(value)) return value.length > 0
  if (typeof value === 'object') return Object.keys(value).length > 0
  return true
}

/** As Go's fmt prints a value with %v. */
export function toText(value: unknown): string {
  if (value === undefined || value === null) return '<no value>'
  if (Array.isArray(value)) return `[${value.map(toText).join(' ')}]`
  if (typeof value === 'object') {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return `map[${entries.map(([key, item]) => `${key}:${item === null ? '<nil>' : toText(item)}`).join(' ')}]`
  }
  return String(value)
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
  index: (value, ...keys) =>
    keys.reduce(
      (holder, key) =>
        holder === null || holder === undefined ? undefined : (holder as Record<string, unknown>)[String(key)],
      value,
    ),
  print: (...args) => args.map(text).join(' '),
  println: (...args) => `${args.map(text).join(' ')}\n`,
  printf: (format, ...args) => formatPrintf(text(format), args),
  json: (value) => encodeJson(value),
  upper: (value) => text(value).toUpperCase(),
  lower: (value) => text(value).toLowerCase(),
  title: (value) => text(value).replace(/\b\w/g, (letter) => letter.toUpperCase()),
  split: (value, separator) => text(value).split(text(separator)),
  join: (values, separator) => (Array.isArray(values) ? values.map(text).join(text(separator)) : ''),
  pad: (value, before, after) =>
    text(value) === '' ? '' : `${' '.repeat(Number(before))}${text(value)}${' '.repeat(Number(after))}`,
  truncate: (value, length) => text(value).slice(0, Number(length)),
}

/** Go's encoder escapes what HTML gives a meaning; the Docker client turns that off for `json`. */
function encodeJson(value: unknown): string {
  return JSON.stringify(value ?? null)
}

function formatPrintf(format: string, args: unknown[]): string {
  const queue = [...args]
  return format.replace(/%(%|[-+# 0]*\d*(?:\.\d+)?[a-zA-Z])/g, (_whole, verb: string) => {
    if (verb === '%') return '%'
    const value = queue.shift()
    const [, flags = '', width = '', , letter = 'v'] = /^([-+# 0]*)(\d*)(\.\d+)?([a-zA-Z])$/.exec(verb) ?? []
    const body =
      letter === 'q' ? JSON.stringify(text(value)) : letter === 'x' ? Number(value).toString(16) : text(value)
    return flags.includes('-')
      ? body.padEnd(Number(width))
      : body.padStart(Number(width), flags.includes('0') ? '0' : ' ')
  })
}
