// Command lines in the style of Go's flag package, which callers of runc write: `--name value`, `--name=value`, one dash or two.
import { Failure } from '../base/failure.ts'

export type OptionKind = 'flag' | 'text' | 'texts' | 'integer' | 'integers' | 'duration'

export interface OptionSpec {
  readonly name: string
  readonly short?: string
  readonly kind: OptionKind
  readonly help: string
  readonly isHidden?: boolean
}

type Value = boolean | string | string[] | number | number[]

/** What was given. Asking for an option that the command does not have is a mistake of ours. */
export class Options {
  readonly #values: ReadonlyMap<string, Value>
  readonly #names: ReadonlySet<string>

  constructor(values: ReadonlyMap<string, Value>, specs: readonly OptionSpec[]) {
    this.#values = values
    this.#names = new Set(specs.map(({ name }) => name))
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined
  }

  flag(name: string): boolean {
    return this.#find(name) === true
  }

  text(name: string): string | undefined {
    const value = this.#find(name)
    return typeof value === 'string' ? value : undefined
  }

  texts(name: string): string[] {
    const value = this.#find(name)
    return Array.isArray(value) ? value.map(String) : []
  }

  integer(name: string): number | undefined {
    const value = this.#find(name)
    return typeof value === 'number' ? value : undefined
  }

  /** In milliseconds. */
  duration(name: string): number | undefined {
    return this.integer(name)
  }

  integers(name: string): number[] {
    const value = this.#find(name)
    return Array.isArray(value) ? value.map(Number) : []
  }

  #find(name: string): Value | undefined {
    if (!this.#names.has(name)) throw new Error(`no option is named ${name}`)
    return this.#values.get(name)
  }
}

export interface ParsedLine {
  options: Options
  rest: string[]
}

/**
 * @param keepsOrder the first word that is no option ends them (global options, and commands that take another's command line); otherwise
 *   known options may also follow it.
 * Throws Failure('invalid-argument') in the words of Go's flag package.
 */
export function parseOptions(
  args: readonly string[],
  specs: readonly OptionSpec[],
  { keepsOrder }: { keepsOrder: boolean },
): ParsedLine {
  const byName = new Map(specs.flatMap((spec) => [spec.name, spec.short ?? spec.name].map((name) => [name, spec])))
  const values = new Map<string, Value>()
  const rest: string[] = []
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? ''
    if (word === '--') return { options: new Options(values, specs), rest: [...rest, ...args.slice(at + 1)] }
    const [, name = '', given] = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(word) ?? []
    const spec = byName.get(name)
    if (!word.startsWith('-') || word === '-' || (spec === undefined && rest.length > 0)) {
      if (keepsOrder) return { options: new Options(values, specs), rest: args.slice(at) }
      rest.push(word)
      continue
    }
    if (name === '') throw invalid(`bad flag syntax: ${word}`)
    if (spec === undefined) throw invalid(`flag provided but not defined: -${name}`)
    if (spec.kind === 'flag') values.set(spec.name, parseFlag(given ?? 'true', name))
    else {
      const text = given ?? args[++at]
      if (text === undefined) throw invalid(`flag needs an argument: -${name}`)
      values.set(spec.name, parseValue(spec, name, text, values.get(spec.name)))
    }
  }
  return { options: new Options(values, specs), rest }
}

const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])

function parseFlag(text: string, name: string): boolean {
  if (TRUE.has(text)) return true
  if (FALSE.has(text)) return false
  throw invalid(`invalid boolean value ${JSON.stringify(text)} for -${name}: parse error`)
}

function parseValue(spec: OptionSpec, name: string, text: string, before: Value | undefined): Value {
  switch (spec.kind) {
    case 'integer':
      return parseInteger(text, name)
    case 'integers':
      return [...(Array.isArray(before) ? before.map(Number) : []), parseInteger(text, name)]
    case 'texts':
      return [...(Array.isArray(before) ? before.map(String) : []), text]
    case 'duration':
      return parseDuration(text) ?? badValue(text, name)
    default:
      return text
  }
}

function parseInteger(text: string, name: string): number {
  const number = /^[+-]?(\d+|0x[\da-f]+)$/i.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(number) ? number : badValue(text, name)
}

function badValue(text: string, name: string): never {
  throw invalid(`invalid value ${JSON.stringify(text)} for flag -${name}: parse error`)
}

const UNIT_MS: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Go's time.ParseDuration, in milliseconds: `1m30s`, `0.5s`; undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  const sign = /^[+-]/.test(text) ? text[0] : ''
  const parts = text.slice(sign === '' ? 0 : 1).match(/\d*\.?\d+(?:ns|us|µs|ms|s|m|h)/g) ?? []
  if (parts.length === 0 || `${sign}${parts.join('')}` !== text) return undefined
  const total = parts.reduce((sum, part) => {
    const [, number = '', unit = ''] = /^([\d.]+)(\D+)$/.exec(part) ?? []
    return sum + Number(number) * (UNIT_MS[unit] ?? Number.NaN)
  }, 0)
  return sign === '-' ? -total : total
}

function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}
