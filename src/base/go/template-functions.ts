// The functions of Go's templates and those that the Docker client adds. What they throw is told as an error of the call.
import { GoFloat } from './go-float.ts'
import { formatPrintf, PRINT_WIDTH_MAX } from './go-format.ts'
import { goJson } from './go-json.ts'
import { goType, isStruct, isTrue, toText } from './go-values.ts'

export interface TemplateFunction {
  /** How many arguments; no `max`: any number. */
  readonly min: number
  readonly max?: number
  /** Arguments that must be of a type, by their place; the last one counts for all that follow. */
  readonly types?: readonly ('string' | '[]string' | 'int' | '')[]
  call(...args: unknown[]): unknown
}

const fixed = (types: NonNullable<TemplateFunction['types']>, call: TemplateFunction['call']): TemplateFunction => ({
  ...{ min: types.length, max: types.length, types, call },
})
const variadic = (min: number, call: TemplateFunction['call']): TemplateFunction => ({ min, call })
const ofText = (call: (text: string) => unknown) => fixed(['string'], (text) => call(text as string))
const escaper = (quote: (text: string) => string) => variadic(0, (...args) => quote(sprint(args)))
const comparison = (isIt: (order: number) => boolean) => fixed(['', ''], (a, b) => isIt(orderOf(a, b)))

export function isFunction(name: string): boolean {
  return Object.hasOwn(FUNCTIONS, name)
}

/** `and` and `or` are here for their names: they stop at the first argument that decides, which is the caller's business. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  and: variadic(1, (...args) => args.find((item) => !isTrue(item)) ?? args.at(-1)),
  or: variadic(1, (...args) => args.find(isTrue) ?? args.at(-1)),
  not: fixed([''], (value) => !isTrue(value)),
  call: variadic(1, (target) => {
    throw new Error(`non-function of type ${goType(target)}`)
  }),
  eq: variadic(1, (first, ...others) => {
    if (others.length === 0) throw new Error('missing argument for comparison')
    return others.some((other) => isEqual(first, other))
  }),
  ne: fixed(['', ''], (a, b) => !isEqual(a, b)),
  lt: comparison((order) => order < 0),
  le: comparison((order) => order <= 0),
  gt: comparison((order) => order > 0),
  ge: comparison((order) => order >= 0),
  len: fixed([''], lengthOf),
  index: variadic(1, (value, ...keys) => keys.reduce(indexOnce, value)),
  slice: variadic(1, (value, ...bounds) => sliceValue(value, bounds)),
  html: escaper(escapeHtml),
  js: escaper(escapeJs),
  urlquery: escaper((text) =>
    encodeURIComponent(text)
      .replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%20', '+'),
  ),
  print: variadic(0, (...args) => sprint(args)),
  println: variadic(0, (...args) => `${args.map(toText).join(' ')}\n`),
  printf: { min: 1, types: ['string', ''], call: (format, ...args) => formatPrintf(format as string, args) },
  json: fixed([''], (value) => goJson(value instanceof GoFloat ? value.value : value)),
  upper: ofText((text) => text.toUpperCase()),
  lower: ofText((text) => text.toLowerCase()),
  title: ofText((text) => text.replace(/(?<![\p{L}\p{Nd}_])\p{L}/gu, (letter) => letter.toUpperCase())),
  split: fixed(['string', 'string'], (text, separator) => (text as string).split(separator as string)),
  join: fixed(['[]string', 'string'], (texts, separator) => (texts as string[]).join(separator as string)),
  pad: fixed(['string', 'int', 'int'], (text, before, after) =>
    text === '' ? '' : `${spaces(before as number)}${String(text)}${spaces(after as number)}`,
  ),
  truncate: fixed(['string', 'int'], (text, length) => truncate(text as string, length as number)),
}

/** Functions that change text, where a table's header is made: it stays as it is. The whole row is no text. */
export const HEADER_FUNCTIONS: Readonly<Record<string, TemplateFunction>> = Object.fromEntries(
  ['json', 'split', 'join', 'title', 'lower', 'upper', 'truncate'].map((name): [string, TemplateFunction] => [
    name,
    { min: 1, types: ['string', ''], call: (text) => text },
  ]),
)

/** Between two operands a space stands where neither is a text. */
function sprint(args: readonly unknown[]): string {
  return args
    .map((value, index) => {
      const isApart = index > 0 && typeof value !== 'string' && typeof args[index - 1] !== 'string'
      return (isApart ? ' ' : '') + toText(value)
    })
    .join('')
}

type Kind = 'bool' | 'int' | 'float' | 'string'

function basicKind(value: unknown): Kind | undefined {
  if (value instanceof GoFloat) return 'float'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'number' || typeof value === 'bigint') return 'int'
  return typeof value === 'string' ? 'string' : undefined
}

function isEqual(a: unknown, b: unknown): boolean {
  const [kind, other] = [basicKind(a), basicKind(b)]
  if (kind === undefined || other === undefined) {
    const isNothing = (value: unknown) => value === null || value === undefined
    return a === b || (isNothing(a) && isNothing(b))
  }
  if (kind !== other) throw new Error('incompatible types for comparison')
  return plainOf(a) === plainOf(b)
}

const plainOf = (value: unknown) => (value instanceof GoFloat ? value.value : value)

function orderOf(a: unknown, b: unknown): number {
  const [kind, other] = [basicKind(a), basicKind(b)]
  if (kind === undefined || other === undefined) throw new Error('invalid type for comparison')
  if (kind !== other) throw new Error('incompatible types for comparison')
  if (kind === 'bool') throw new Error('invalid type for comparison')
  if (kind === 'string') return Buffer.compare(Buffer.from(a as string), Buffer.from(b as string))
  return Number(plainOf(a)) - Number(plainOf(b))
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (value === null || value === undefined) throw new Error('reflect: call of reflect.Value.Type on zero Value')
  if (typeof value !== 'object' || value instanceof GoFloat) throw new Error(`len of type ${goType(value)}`)
  return Array.isArray(value) ? value.length : Object.keys(value).length
}

function indexOnce(holder: unknown, key: unknown): unknown {
  if (holder === null || holder === undefined) throw new Error('index of untyped nil')
  if (Array.isArray(holder) || typeof holder === 'string') {
    if (typeof key !== 'number') throw new Error(`cannot index slice/array with type ${goType(key)}`)
    const bytes = typeof holder === 'string' ? Buffer.from(holder) : holder
    if (key < 0 || key > bytes.length) throw new Error(`index out of range: ${key}`)
    // One past the end gets by Go's own check.
    if (key === bytes.length)
      throw new Error(`reflect: ${typeof holder === 'string' ? 'string' : 'slice'} index out of range`)
    return bytes[key]
  }
  if (typeof holder !== 'object' || holder instanceof GoFloat)
    throw new Error(`can't index item of type ${goType(holder)}`)
  if (typeof key !== 'string') throw new Error(`value has type ${goType(key)}; should be string`)
  const found = Object.hasOwn(holder, key) ? (holder as Record<string, unknown>)[key] : undefined
  // A map of texts has an empty one for what it does not hold.
  return found === undefined && Object.values(holder).some((item) => typeof item === 'string') ? '' : found
}

function sliceValue(value: unknown, bounds: readonly unknown[]): unknown {
  if (value === null || value === undefined) throw new Error('slice of untyped nil')
  if (typeof value !== 'string' && !Array.isArray(value)) throw new Error(`can't slice item of type ${goType(value)}`)
  if (bounds.length > 3) throw new Error(`too many slice indexes: ${bounds.length}`)
  if (typeof value === 'string' && bounds.length > 2) throw new Error('cannot 3-index slice a string')
  const whole = typeof value === 'string' ? Buffer.from(value) : value
  const [from = 0, to = whole.length] = bounds.map((bound) => {
    if (typeof bound !== 'number') throw new Error(`cannot index slice/array with type ${goType(bound)}`)
    if (bound < 0 || bound > whole.length) throw new Error(`index out of range: ${bound}`)
    return bound
  })
  if (from > to) throw new Error(`invalid slice index: ${from} > ${to}`)
  return typeof value === 'string' ? whole.slice(from, to).toString() : whole.slice(from, to)
}

const HTML: Readonly<Record<string, string>> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;', '\0': '\uFFFD' },
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"'\0]/g, (letter) => HTML[letter] ?? letter)
}

function escapeJs(text: string): string {
  return text.replace(/[\\'"<>&=\x00-\x1f\x7f\u2028\u2029]/g, (letter) => {
    if (letter === '\\' || letter === "'" || letter === '"') return `\\${letter}`
    return `\\u${letter.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
  })
}

function spaces(count: number): string {
  if (count > PRINT_WIDTH_MAX) throw new Error(`width ${count} is too large`)
  return ' '.repeat(Math.max(0, count))
}

/** In bytes, as Docker's function counts. */
function truncate(text: string, length: number): string {
  const bytes = Buffer.from(text)
  return bytes.length < length ? text : bytes.subarray(0, Math.max(0, length)).toString()
}

/** What of a value's type is wrong for a parameter; undefined where it fits. */
export function mismatch(value: unknown, wanted: string): string | undefined {
  const isRight =
    wanted === '' ||
    (wanted === 'string' && typeof value === 'string') ||
    (wanted === 'int' && typeof value === 'number') ||
    (wanted === '[]string' && Array.isArray(value) && value.every((item) => typeof item === 'string'))
  if (isRight) return undefined
  if (value === null || value === undefined) return `invalid value; expected ${wanted}`
  const type = typeof value === 'object' && !Array.isArray(value) && isStruct(value) ? 'struct' : goType(value)
  return `wrong type for value; expected ${wanted}; got ${type}`
}
