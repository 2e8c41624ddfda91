// Command-line flags as Docker's client reads them (spf13/pflag): a table per command, errors in its words.
import { Failure } from '../base/failure.ts'

export type FlagKind = 'boolean' | 'string' | 'list' | 'int' | 'float'

export interface Flag {
  readonly name: string
  readonly short?: string
  readonly kind: FlagKind
  /** What help shows for the value's type: `string`, `list`, `bytes`, `duration`, … */
  readonly type?: string
  readonly usage: string
  readonly default?: string
  /** Not shown in help. */
  readonly hidden?: boolean
  /** Another flag's name that this one is a synonym of. */
  readonly aliasOf?: string
}

/** Values by flag name; a flag that was not given is absent. */
export class FlagValues {
  readonly #values = new Map<string, string[]>()

  add(flag: Flag, value: string): void {
    const name = flag.aliasOf ?? flag.name
    const list = this.#values.get(name)
    if (list === undefined) this.#values.set(name, [value])
    else if (flag.kind === 'list') list.push(value)
    else list[0] = value
  }

  has(name: string): boolean {
    return this.#values.has(name)
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
    return value === undefined ? undefined : Number(value)
  }
}

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

export interface ParsedArguments {
  flags: FlagValues
  args: string[]
}

/**
 * @param interspersed false: the first argument that is no flag ends the flags (run, exec, create).
 * Throws Failure('invalid-argument') as pflag words it.
 */
export function parseFlags(words: readonly string[], table: readonly Flag[], interspersed: boolean): ParsedArguments {
  const flags = new FlagValues()
  const args: string[] = []
  const queue = [...words]
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--') return { flags, args: [...args, ...queue] }
    if (word.startsWith('--')) parseLong(word, table, flags, queue)
    else if (word.startsWith('-') && word !== '-') parseShort(word, table, flags, queue)
    else {
      args.push(word)
      if (!interspersed) return { flags, args: [...args, ...queue] }
    }
  }
  return { flags, args }
}

function parseLong(word: string, table: readonly Flag[], flags: FlagValues, queue: string[]): void {
  const equals = word.indexOf('=')
  const name = word.slice(2, equals < 0 ? undefined : equals)
  const flag = table.find((candidate) => candidate.name === name)
  if (flag === undefined) throw new Failure('invalid-argument', `unknown flag: --${name}`)
  if (equals >= 0) return assign(flags, flag, word.slice(equals + 1), `--${name}`)
  if (flag.kind === 'boolean') return flags.add(flag, 'true')
  const value = queue.shift()
  if (value === undefined) throw new Failure('invalid-argument', `flag needs an argument: --${name}`)
  assign(flags, flag, value, `--${name}`)
}

/** `-it`, `-p80:80`, `-p 80:80`, `-p=80:80`. */
function parseShort(word: string, table: readonly Flag[], flags: FlagValues, queue: string[]): void {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at] ?? ''
    const flag = table.find((candidate) => candidate.short === letter)
    if (flag === undefined) throw new Failure('invalid-argument', `unknown shorthand flag: '${letter}' in ${word}`)
    const rest = word.slice(at + 1)
    if (rest.startsWith('=')) return assign(flags, flag, rest.slice(1), shorthand(flag))
    if (flag.kind === 'boolean') {
      flags.add(flag, 'true')
      continue
    }
    const value = rest !== '' ? rest : queue.shift()
    if (value === undefined) throw new Failure('invalid-argument', `flag needs an argument: '${letter}' in ${word}`)
    return assign(flags, flag, value, shorthand(flag))
  }
}

function shorthand(flag: Flag): string {
  return `-${flag.short}, --${flag.name}`
}

function assign(flags: FlagValues, flag: Flag, value: string, shown: string): void {
  const label = flag.short !== undefined && shown.startsWith('--') ? shorthand(flag) : shown
  const reject = (why: string) =>
    new Failure(
      'invalid-argument',
      `invalid argument ${JSON.stringify(value)} for ${JSON.stringify(label)} flag: ${why}`,
    )
  if (flag.kind === 'boolean' && !TRUE.has(value) && !FALSE.has(value))
    throw reject(`strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`)
  if (flag.kind === 'int' && !/^[+-]?\d+$/.test(value))
    throw reject(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`)
  if (flag.kind === 'float' && !Number.isFinite(Number(value === '' ? 'x' : value)))
    throw reject(`strconv.ParseFloat: parsing ${JSON.stringify(value)}: invalid syntax`)
  flags.add(flag, value)
}
