// Go's fmt.Sprintf, for the verbs that make sense of texts, numbers and truth.
import { GoFloat, padExponent } from './go-float.ts'
import { goJson } from './go-json.ts'
import { goQuote } from './go-quote.ts'
import { goType, toFullText, toText } from './go-values.ts'

/** Nobody's table is wider; a template is a stranger's, and must not fill the memory. */
export const PRINT_WIDTH_MAX = 10_000

interface Directive {
  flags: string
  width: number | undefined
  precision: number | undefined
  verb: string
}

const DIRECTIVE = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d*))?(.|$)/gsu

/** Throws where a width is beyond reason. What does not fit is told in the text, as Go does. */
export function formatPrintf(format: string, args: readonly unknown[]): string {
  let next = 0
  const takeNumber = (text: string | undefined): number | undefined => {
    const value = text === '*' ? Number(args[next++]) : text === undefined ? undefined : Number(text)
    if (value !== undefined && Math.abs(value) > PRINT_WIDTH_MAX) throw new Error(`width ${value} is too large`)
    return value
  }
  const text = format.replace(DIRECTIVE, (_whole, flags: string, width?: string, precision?: string, verb = '') => {
    if (verb === '') return '%!(NOVERB)'
    const given = takeNumber(width)
    const directive: Directive = {
      flags: given !== undefined && given < 0 ? `${flags}-` : flags,
      width: given === undefined ? undefined : Math.abs(given),
      precision: takeNumber(precision === '' ? '0' : precision),
      verb,
    }
    if (verb === '%') return '%'
    if (next >= args.length) return `%!${verb}(MISSING)`
    return formatValue(args[next++], directive)
  })
  const extra = args.slice(next).map((value) => `${goType(value)}${value === null ? '' : `=${toText(value)}`}`)
  return extra.length === 0 ? text : `${text}%!(EXTRA ${extra.join(', ')})`
}

function formatValue(value: unknown, directive: Directive): string {
  const { verb, flags } = directive
  if (verb === 'T') return pad(goType(value), directive)
  if (verb === 'v') {
    if (flags.includes('#')) return pad(toSource(value), directive)
    return pad(flags.includes('+') ? toFullText(value) : toText(value), directive)
  }
  if (Array.isArray(value)) return `[${value.map((item) => formatValue(item, directive)).join(' ')}]`
  const body = formatKnown(value, directive)
  return body === undefined
    ? `%!${verb}(${goType(value)}${value === null || value === undefined ? '' : `=${toText(value)}`})`
    : body
}

/** Undefined where the verb is not for such a value. */
function formatKnown(value: unknown, directive: Directive): string | undefined {
  const { verb } = directive
  if (typeof value === 'boolean') return verb === 't' ? pad(String(value), directive) : undefined
  if (typeof value === 'string') return formatText(value, directive)
  if (value instanceof GoFloat) return formatFloat(value.value, directive)
  if (typeof value === 'number' || typeof value === 'bigint')
    return formatInteger(BigInt(Math.trunc(Number(value))), directive)
  return undefined
}

function formatText(text: string, directive: Directive): string | undefined {
  const cut = directive.precision === undefined ? text : [...text].slice(0, directive.precision).join('')
  switch (directive.verb) {
    case 's':
      return pad(cut, directive)
    case 'q':
      return pad(goQuote(cut), directive)
    case 'x':
    case 'X': {
      const hex = Buffer.from(cut).toString('hex')
      return pad(directive.verb === 'X' ? hex.toUpperCase() : hex, directive)
    }
    default:
      return undefined
  }
}

const BASES: Readonly<Record<string, readonly [base: number, prefix: string]>> = {
  ...{ d: [10, ''], b: [2, '0b'], o: [8, '0'], O: [8, '0o'], x: [16, '0x'], X: [16, '0X'] },
}

function formatInteger(value: bigint, directive: Directive): string | undefined {
  const { verb, flags, precision = 0 } = directive
  const code = Number(value)
  if (verb === 'c') return pad(String.fromCodePoint(code), directive)
  if (verb === 'q') return pad(`'${String.fromCodePoint(code)}'`, directive)
  if (verb === 'U') return pad(`U+${code.toString(16).toUpperCase().padStart(4, '0')}`, directive)
  const base = BASES[verb]
  if (base === undefined) return undefined
  const size = (value < 0n ? -value : value).toString(base[0]).padStart(precision, '0')
  const digits = verb === 'X' ? size.toUpperCase() : size
  const prefix = flags.includes('#') || verb === 'O' ? base[1] : ''
  return padNumber(value < 0n ? '-' : '', prefix + digits, directive)
}

function formatFloat(value: number, directive: Directive): string | undefined {
  const size = Math.abs(value)
  const sign = value < 0 ? '-' : ''
  const { verb, precision } = directive
  switch (verb) {
    case 'f':
    case 'F':
      return padNumber(sign, size.toFixed(Math.min(precision ?? 6, 100)), directive)
    case 'e':
    case 'E': {
      const text = padExponent(size.toExponential(Math.min(precision ?? 6, 100)))
      return padNumber(sign, verb === 'E' ? text.toUpperCase() : text, directive)
    }
    case 'g':
    case 'G':
      return padNumber(sign, generalOf(size, precision), directive)
    default:
      return undefined
  }
}

function generalOf(size: number, precision: number | undefined): string {
  if (precision === undefined) return new GoFloat(size).toString()
  const text = String(Number(size.toPrecision(Math.min(Math.max(precision, 1), 100))))
  return padExponent(text)
}

function padNumber(sign: string, digits: string, directive: Directive): string {
  const { flags, width = 0 } = directive
  const mark = sign !== '' ? sign : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : ''
  if (flags.includes('0') && !flags.includes('-')) return mark + digits.padStart(width - mark.length, '0')
  return pad(mark + digits, directive)
}

function pad(text: string, { flags, width = 0 }: Directive): string {
  const missing = Math.max(0, width - [...text].length)
  return flags.includes('-') ? text + ' '.repeat(missing) : (flags.includes('0') ? '0' : ' ').repeat(missing) + text
}

/** %#v of what has a literal of its own. */
function toSource(value: unknown): string {
  if (typeof value === 'string') return goQuote(value)
  return typeof value === 'object' && value !== null && !(value instanceof GoFloat) ? goJson(value) : toText(value)
}
