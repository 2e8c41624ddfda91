// `berth __complete WORDS…`: what the last word can become. The words before it say whether that is a command, a flag, a flag's value or an
// argument.
import { messageOf } from '../../base/failure.ts'
import type { Command, Shell } from '../command.ts'
import { COMMANDS, findCommand, type FoundCommand, GROUPS } from '../command-index.ts'
import { type AskFeatures, isShown } from '../features.ts'
import { type Flag, type FlagValues, type ParsedArguments, parseFlags } from '../flags.ts'
import type { CliPlugin } from '../plugins/cli-plugin.ts'
import { GROUP_TRAITS } from '../group-traits.ts'
import { FILES, NOTHING, offer, type Offers } from './offer.ts'
import { ARGUMENTS, flagSource, GLOBAL_FLAGS } from './offers-of-commands.ts'
import { files, type Source } from './sources.ts'

export interface CompletionWorld {
  globalFlags: readonly Flag[]
  open(flags: FlagValues): Promise<Shell>
  ask(flags: FlagValues): AskFeatures
  plugins(flags: FlagValues): Promise<readonly CliPlugin[]>
  /** The command's own flags and those that all have. */
  withHelp(command: Command): readonly Flag[]
}

/** The words of one level, read as far as they go. */
interface Line {
  parsed: ParsedArguments
  /** The flag whose value the last word is. */
  valueOf: Flag | undefined
  /** The word itself; of `--flag=value` the value. */
  word: string
  /** False after `--`, and after the first argument where that ends the flags. */
  mayBeFlag: boolean
}

/** Throws what is wrong with the words before the last one. */
export async function complete(words: readonly string[], world: CompletionWorld): Promise<Offers> {
  const before = words.slice(0, -1)
  const line = readLine(before, words.at(-1) ?? '', world.globalFlags, false)
  const { args, flags } = line.parsed
  const shell = () => world.open(flags)
  if (line.valueOf !== undefined) return run(GLOBAL_FLAGS[line.valueOf.name] ?? files, shell, [], flags, line.word)
  if (args.length === 0) {
    if (line.word.startsWith('-')) return offerFlags(world.globalFlags, line)
    return offer(await listCommands(line.word, world.ask(flags), await world.plugins(flags)))
  }
  if (args[0] === 'help')
    return offer(await listTopics(args.slice(1), line.word, world.ask(flags), await world.plugins(flags)))
  const found = findCommand(args)
  if (found !== undefined) return completeCommand(found, line.word, world, flags)
  const [group = '', ...rest] = args
  if (!Object.hasOwn(GROUPS, group) || rest.length > 0) return FILES
  if (line.word.startsWith('-')) return NOTHING
  return offer(await listVerbs(group, line.word, world.ask(flags)))
}

async function completeCommand(
  found: FoundCommand,
  word: string,
  world: CompletionWorld,
  global: FlagValues,
): Promise<Offers> {
  const command = await found.entry.load()
  const table = world.withHelp(command)
  let line: Line
  try {
    line = readLine(found.rest, word, table, command.interspersed ?? true)
  } catch (error) {
    throw new Error(`Error while parsing flags from args [${found.rest.join(' ')}]: ${messageOf(error)}`)
  }
  const { args, flags } = line.parsed
  if (flags.boolean('help')) return NOTHING
  const path = found.entry.paths[0] ?? ''
  const shell = () => world.open(global)
  if (line.valueOf !== undefined) {
    const { aliasOf, name } = line.valueOf
    return run(flagSource(path, aliasOf ?? name), shell, args, flags, line.word)
  }
  if (line.mayBeFlag && line.word.startsWith('-') && !line.word.includes('=')) return offerFlags(command.flags, line)
  return run(ARGUMENTS[path] ?? files, shell, args, flags, line.word)
}

async function run(
  source: Source,
  open: () => Promise<Shell>,
  args: readonly string[],
  flags: FlagValues,
  word: string,
): Promise<Offers> {
  if (source === files) return FILES
  return source({ shell: await open(), args, flags, word })
}

function readLine(before: readonly string[], word: string, table: readonly Flag[], interspersed: boolean): Line {
  const last = before.at(-1) ?? ''
  const waiting = waitingFlag(last, table)
  if (waiting !== undefined) {
    // Only if the flag is read as one where it stands, its value is what is being typed.
    const parsed = tryParse(before.slice(0, -1), table, interspersed)
    if (parsed !== undefined && mayStillBeFlag(before.slice(0, -1), parsed, interspersed))
      return { parsed, valueOf: waiting, word, mayBeFlag: true }
  }
  const parsed = parseFlags(before, table, interspersed)
  const mayBeFlag = mayStillBeFlag(before, parsed, interspersed)
  const equals = word.indexOf('=')
  const given = mayBeFlag && equals > 0 && word.startsWith('--') ? findLong(table, word.slice(2, equals)) : undefined
  if (given !== undefined) return { parsed, valueOf: given, word: word.slice(equals + 1), mayBeFlag }
  return { parsed, valueOf: undefined, word, mayBeFlag }
}

/** A flag that stands alone and wants a value: `--name`, or the last letter of `-it` and its like. */
function waitingFlag(word: string, table: readonly Flag[]): Flag | undefined {
  if (!word.startsWith('-') || word.includes('=') || word === '--' || word === '-') return undefined
  const flag = word.startsWith('--')
    ? findLong(table, word.slice(2))
    : table.find(({ short }) => short === word.at(-1) && lettersBefore(word, table))
  return flag === undefined || flag.kind === 'boolean' ? undefined : flag
}

function lettersBefore(word: string, table: readonly Flag[]): boolean {
  const letters = [...word.slice(1, -1)]
  return letters.every((letter) => table.some(({ short, kind }) => short === letter && kind === 'boolean'))
}

function findLong(table: readonly Flag[], name: string): Flag | undefined {
  return table.find((flag) => flag.name === name && !flag.shortNotice)
}

function tryParse(
  words: readonly string[],
  table: readonly Flag[],
  interspersed: boolean,
): ParsedArguments | undefined {
  try {
    return parseFlags(words, table, interspersed)
  } catch {
    return undefined
  }
}

function mayStillBeFlag(words: readonly string[], parsed: ParsedArguments, interspersed: boolean): boolean {
  if (!interspersed && parsed.args.length > 0) return false
  return !words.includes('--')
}

/** Flags that were given are not offered again, unless they can have several values. */
function offerFlags(table: readonly Flag[], { parsed, word }: Line): Offers {
  const order = table
    .filter((flag) => flag.name !== 'h' && flag.deprecated === undefined)
    .filter((flag) => !flag.hidden && (flag.kind === 'list' || !parsed.flags.isGiven(flag.name)))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const words = order.flatMap(({ name, short, usage }) => {
    const [firstLine = ''] = usage.split('\n')
    const names = [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]
    return names.filter((each) => each.startsWith(word)).map((each) => `${each}\t${firstLine}`)
  })
  return offer(words)
}

async function listCommands(word: string, ask: AskFeatures, plugins: readonly CliPlugin[]): Promise<string[]> {
  const rows = new Map<string, string>([['help', 'Help about the command']])
  for (const entry of COMMANDS) {
    const name = entry.paths.find((path) => !path.includes(' '))
    if (name !== undefined && !entry.isHidden && (await isShown(entry, ask))) rows.set(name, entry.summary)
  }
  for (const [name, summary] of Object.entries(GROUPS)) {
    const traits = GROUP_TRAITS[name] ?? {}
    if (!traits.isHidden && (await isShown(traits, ask))) rows.set(name, summary)
  }
  // The Docker CLI offers wrong ones, too: that something is wrong with them is told to whoever takes the offer.
  for (const { name, metadata, error } of plugins)
    if (!rows.has(name)) rows.set(name, error === undefined ? (metadata.ShortDescription ?? '') : '')
  return formatRows(rows, word)
}

async function listVerbs(group: string, word: string, ask: AskFeatures): Promise<string[]> {
  const rows = new Map<string, string>()
  for (const entry of COMMANDS) {
    const path = entry.paths.find((each) => each.startsWith(`${group} `))
    if (path !== undefined && !entry.isHidden && (await isShown(entry, ask)))
      rows.set(path.slice(group.length + 1), entry.summary)
  }
  return formatRows(rows, word)
}

/** What help can be asked for. */
function listTopics(
  args: readonly string[],
  word: string,
  ask: AskFeatures,
  plugins: readonly CliPlugin[],
): Promise<string[]> | string[] {
  const [group] = args
  if (group === undefined) return listCommands(word, ask, plugins)
  return Object.hasOwn(GROUPS, group) && args.length === 1 ? listVerbs(group, word, ask) : []
}

function formatRows(rows: ReadonlyMap<string, string>, word: string): string[] {
  return [...rows]
    .filter(([name]) => name.startsWith(word))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, summary]) => `${name}\t${summary}`)
}
