// Command-line flags as Docker's client reads them (spf13/pflag): a table per command, errors in its words.
import { Failure, messageOf } from '../base/failure.ts'
import { goQuote } from '../base/go/go-quote.ts'
import type { Gate } from './features.ts'

export type FlagKind = 'boolean' | 'string' | 'list' | 'int' | 'uint'

export interface Flag extends Gate {
  readonly name: string
  readonly short?: string
  readonly kind: FlagKind
  /** What help shows for the value's type: `string`, `list`, `bytes`, `duration`, … */
  readonly type?: string
  readonly usage: string
  /** As help shows it. */
  readonly default?: string
  /** Not shown in help. */
  readonly hidden?: boolean
  /** Another flag's name that this one is a synonym of. */
  readonly aliasOf?: string
  /** What to use instead; told whenever the flag is used. */
  readonly deprecated?: string
  /** Only its letter exists, and that is deprecated: `-h`. */
  readonly shortNotice?: boolean
  /** Throws what is wrong with a value. */
  readonly check?: (value: string) => unknown
  /** Of an integer; 64 where not given. */
  readonly bits?: number
}

/** Values by flag name; a flag that was not given is absent. */
export class FlagValues {
  readonly #values = new Map<string, string[]>()
  readonly #given = new Set<string>()

  add(flag: Flag, value: string): void {
    this.#given.add(flag.name)
    const name = flag.aliasOf ?? flag.name
    const list = this.#values.get(name)
    if (list === undefined) this.#values.set(name, [value])
    else if (flag.kind === 'list') list.push(value)
    else list[0] = value
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  /** Under exactly this name, not by a synonym. */
  isGiven(name: string): boolean {
    return this.#given.has(name)
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1)
  }

  list(name: string): string[] {
    return this.#values.get(name) ?? []
  }

  /** Undefined where the flag was not given. */
  boolean(name: string): boolean | undefined {
    const value = this.text(name)
    return value === undefined ? undefined : TRUE.has(value)
  }

  number(name: string): number | undefined {
    const value = this.text(name)
    return value === undefined ? undefined : Number(parseInteger(value))
  }
}

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

export interface ParsedArguments {
  flags: FlagValues
  args: string[]
  /** To be told before the command runs. */
  notices: string[]
}

/**
 * @param interspersed false: the first argument that is no flag ends the flags (run, exec, create).
 * Throws Failure('invalid-argument') as pflag words it.
 */
export function parseFlags(words: readonly string[], table: readonly Flag[], interspersed: boolean): ParsedArguments {
  const parsed: ParsedArguments = { flags: new FlagValues(), args: [], notices: [] }
  const queue = [...words]
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--') {
      parsed.args.push(...queue)
      break
    }
    if (word.startsWith('--')) parseLong(word, table, parsed, queue)
    else if (word.startsWith('-') && word !== '-') parseShort(word, table, parsed, queue)
    else {
      parsed.args.push(word)
      if (interspersed) continue
      parsed.args.push(...queue)
      break
    }
  }
  return parsed
}

const invalid = (message: string) => new Failure('invalid-argument', message)

function parseLong(word: string, table: readonly Flag[], parsed: ParsedArguments, queue: string[]): void {
  const equals = word.indexOf('=')
  const name = word.slice(2, equals < 0 ? undefined : equals)
  if (name === '' || name.startsWith('-')) throw invalid(`bad flag syntax: ${word}`)
  const flag = table.find((candidate) => candidate.name === name && !candidate.shortNotice)
  if (flag === undefined) throw invalid(`unknown flag: --${name}`)
  if (equals >= 0) return assign(parsed, flag, word.slice(equals + 1))
  if (flag.kind === 'boolean') return assign(parsed, flag, 'true')
  const value = queue.shift()
  if (value === undefined) throw invalid(`flag needs an argument: --${name}`)
  assign(parsed, flag, value)
}

/** `-it`, `-p80:80`, `-p 80:80`, `-p=80:80`. */
function parseShort(word: string, table: readonly Flag[], parsed: ParsedArguments, queue: string[]): void {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at] ?? ''
    const flag = table.find((candidate) => candidate.short === letter)
    if (flag === undefined) throw invalid(`unknown shorthand flag: '${letter}' in -${word.slice(at)}`)
    const rest = word.slice(at + 1)
    if (rest.startsWith('=')) return assign(parsed, flag, rest.slice(1))
    if (flag.kind === 'boolean') {
      assign(parsed, flag, 'true')
      continue
    }
    const value = rest !== '' ? rest : queue.shift()
    if (value === undefined) throw invalid(`flag needs an argument: '${letter}' in -${word.slice(at)}`)
    return assign(parsed, flag, value)
  }
}

function assign(parsed: ParsedArguments, flag: Flag, value: string): void {
  const why = complaintAbout(flag, value)
  if (why !== undefined) {
    const label = flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`
    throw invalid(`invalid argument ${goQuote(value)} for ${goQuote(label)} flag: ${why}`)
  }
  if (flag.deprecated !== undefined)
    parsed.notices.push(`Flag --${flag.name} has been deprecated, ${flag.deprecated}\n`)
  if (flag.shortNotice)
    parsed.notices.push(`Flag shorthand -${flag.short} has been deprecated, use --${flag.aliasOf}\n`)
  parsed.flags.add(flag, value)
}

function complaintAbout(flag: Flag, value: string): string | undefined {
  if (flag.kind === 'boolean' && !TRUE.has(value) && !FALSE.has(value))
    return `strconv.ParseBool: parsing ${goQuote(value)}: invalid syntax`
  if (flag.kind === 'int' || flag.kind === 'uint') return integerComplaint(flag, value)
  try {
    flag.check?.(value)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

function integerComplaint({ kind, bits = 64 }: Flag, value: string): string | undefined {
  const call = `strconv.${kind === 'uint' ? 'ParseUint' : 'ParseInt'}: parsing ${goQuote(value)}`
  const number = parseInteger(value)
  if (number === undefined || (kind === 'uint' && /^[+-]/.test(value))) return `${call}: invalid syntax`
  const [least, most] =
    kind === 'uint' ? [0n, 2n ** BigInt(bits) - 1n] : [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n]
  return number < least || number > most ? `${call}: value out of range` : undefined
}

/** Decimal, or with one of Go's prefixes. */
function parseInteger(text: string): bigint | undefined {
  const match = /^([+-]?)(0[xX][\da-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9]\d*|0)$/.exec(text)
  if (match === null) return undefined
  const digits = match[2] ?? ''
  const magnitude = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits)
  return match[1] === '-' ? -magnitude : magnitude
}
