// From words on the command line to a command, its flags and its exit code.
import { isFailure, messageOf } from '../base/failure.ts'
import { type Command, ExitCode, type Shell } from './command.ts'
import { COMMANDS, type CommandEntry, displayPath, findCommand, type FoundCommand, GROUPS } from './command-index.ts'
import { type ConfigFile, configDirectory, loadConfigFile } from './connection/config-file.ts'
import { Connection, type Endpoint } from './connection/connection.ts'
import { chooseContext, type EndpointFlags, resolveDefault, resolveEndpoint } from './connection/endpoint.ts'
import { type AskFeatures, complaintOfCommand, complaintOfFlag, featuresOf } from './features.ts'
import { type Flag, type FlagValues, type ParsedArguments, parseFlags } from './flags.ts'
import { globalFlags } from './global-flags.ts'
import { GROUP_TRAITS } from './group-traits.ts'
import { formatCommandHelp, formatGroupHelp, groupUsage, formatRootHelp, programName, usageLine } from './help.ts'
import type { CliPlugin } from './plugins/cli-plugin.ts'
import type { PluginEnd } from './plugins/run-plugin.ts'
import { Interruption } from './terminal/interruption.ts'
import { print, terminalSize } from './terminal/streams.ts'
import { CLIENT_VERSION } from './version.ts'

const FLAG_ERROR_CODE = 125
const printOut = (text: string) => print(1, text)
const printError = (text: string) => print(2, text)
const columns = () => terminalSize(0)?.columns || 80

/** Runs one command line; never throws. Returns the exit code. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const table = globalFlags(env)
  let global: ParsedArguments
  try {
    global = parseFlags(argv, table, false)
  } catch (error) {
    printError(
      `${messageOf(error)}\n\nUsage:  ${programName} [OPTIONS] COMMAND [ARG...]\n\nRun '${programName} --help' for more information\n`,
    )
    return FLAG_ERROR_CODE
  }
  if (global.flags.boolean('version')) {
    printOut(`Berth version ${CLIENT_VERSION}\n`)
    return 0
  }
  const level = global.flags.text('log-level')
  if (level !== undefined && !/^(trace|debug|info|warn|warning|error|fatal|panic)$/i.test(level)) {
    printError(`Unable to parse logging level: ${level}\n`)
    return 1
  }
  let opened: Promise<Shell> | undefined
  const open = () => {
    opened ??= openShell(global.flags, env)
    return opened
  }
  const ask = featuresOf(async () => (await open()).connection)
  const world: World = { open, ask, table, callPlugin: (name) => callPlugin(name, argv, global.flags, env) }
  const [first = ''] = global.args
  if (first === '__complete' || first === '__completeNoDesc')
    return (
      (await completeByPlugin(world, global.args.slice(1))) ?? completeWords(first, global.args.slice(1), table, env)
    )
  const isHelp = first === 'help'
  const words = isHelp ? global.args.slice(1) : global.args
  if (words.length === 0) {
    for (const notice of global.notices) printOut(notice)
    const print = isHelp || global.flags.boolean('help') ? printOut : printError
    print(await formatRootHelp(COMMANDS, table, columns(), ask, await pluginsOf(global.flags, env)))
    return 0
  }
  if (isHelp) return runHelp(words, world)
  const found = findCommand(words)
  if (found === undefined) return withoutCommand(words, world)
  return runCommand(found, world)
}

async function completeWords(
  request: string,
  words: readonly string[],
  globalTable: readonly Flag[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const { printOffers } = await import('./commands/completion.ts')
  const world = {
    globalFlags: globalTable,
    withHelp,
    open: (flags: FlagValues) => openShell(flags, env),
    plugins: (flags: FlagValues) => pluginsOf(flags, env),
    ask: (flags: FlagValues) => featuresOf(async () => (await openShell(flags, env)).connection),
  }
  return printOffers(words, request === '__completeNoDesc', world, print)
}

/** What a command line needs around its command. */
interface World {
  open: () => Promise<Shell>
  ask: AskFeatures
  table: readonly Flag[]
  /** Runs a plugin with this command line; undefined where there is none of that name. */
  callPlugin: (name: string) => Promise<PluginEnd | undefined>
}

/** @param words after `__complete`: only a whole first word names a plugin. */
async function completeByPlugin(world: World, words: readonly string[]): Promise<number | undefined> {
  if (words.length < 2 || words[0]?.startsWith('-')) return undefined
  return (await world.callPlugin(words[0] ?? ''))?.code
}

async function pluginsOf(flags: FlagValues, env: NodeJS.ProcessEnv): Promise<readonly CliPlugin[]> {
  const { listPlugins, pluginDirectories } = await import('./plugins/find-plugins.ts')
  return listPlugins(pluginDirectories(flags.text('config'), env))
}

async function callPlugin(
  name: string,
  argv: readonly string[],
  flags: FlagValues,
  env: NodeJS.ProcessEnv,
): Promise<PluginEnd | undefined> {
  const { findPlugin, pluginDirectories } = await import('./plugins/find-plugins.ts')
  const plugin = await findPlugin(name, pluginDirectories(flags.text('config'), env))
  if (plugin === undefined) return undefined
  const { runPlugin } = await import('./plugins/run-plugin.ts')
  return runPlugin({ plugin, argv, env, host: hostForPlugins(flags, env) })
}

/** Where nothing that a plugin reads, too, names the engine. */
function hostForPlugins(flags: FlagValues, env: NodeJS.ProcessEnv): string | undefined {
  const directory = configDirectory(flags.text('config'), env)
  try {
    const given = endpointFlags(flags)
    const context = chooseContext(
      given,
      loadConfigFile(directory, () => {}),
      env,
    )
    if (context !== 'default' || given.hosts.length > 0) return undefined
    return resolveDefault(given, directory, env).host
  } catch {
    return undefined // the plugin says what is wrong
  }
}

const isHelpFlag = (word: string) => word === '--help' || word === '-h'

async function runHelp(words: readonly string[], world: World): Promise<number> {
  if (words.some(isHelpFlag)) {
    printOut(`Usage:  ${programName} help [command]\n\nHelp about the command\n`)
    return 0
  }
  const found = findCommand(words)
  const [group = '', ...others] = words
  if (found === undefined && !(group in GROUPS)) {
    const end = await world.callPlugin(group)
    if (end !== undefined) return endOfHelp(end)
  }
  const rest = found?.rest ?? (group in GROUPS ? others : words)
  if (rest.length > 0) {
    printError(`unknown help topic: ${rest.join(' ')}\n`)
    return 1
  }
  if (found === undefined) printOut(await formatGroupHelp(group, COMMANDS, world.ask))
  else await showHelp(await found.entry.load(), found, world)
  return 0
}

async function endOfHelp(end: PluginEnd): Promise<number> {
  if (end.code === 0) return 0
  const { describeEnd } = await import('./plugins/run-plugin.ts')
  printError(`${describeEnd(end)}\n`)
  return 1
}

/** Words that name no command: a plugin, a group by itself, or something unknown. */
async function withoutCommand(words: readonly string[], world: World): Promise<number> {
  const [group = '', next] = words
  if (!(group in GROUPS)) {
    const end = await world.callPlugin(group)
    if (end !== undefined) return end.code
    printError(
      `${programName}: unknown command: ${programName} ${group}\n\nRun '${programName} --help' for more information\n`,
    )
    return 1
  }
  const isAsked = words.slice(1).some(isHelpFlag)
  const isLenient = GROUP_TRAITS[group]?.isLenient === true && !next?.startsWith('-')
  if (next === undefined || isAsked || isLenient) {
    const print = isAsked || isLenient ? printOut : printError
    if (words.includes('-h')) printOut(SHORT_HELP_NOTICE)
    if (print === printError && GROUP_TRAITS[group]?.isSetOff) printError('\n')
    print(await formatGroupHelp(group, COMMANDS, world.ask))
    return 0
  }
  const usage = `\n\nUsage:  ${programName} ${groupUsage(group)}\n\nRun '${programName} ${group} --help' for more information\n`
  if (next.startsWith('-')) {
    const what = next.startsWith('--') ? `unknown flag: ${next}` : `unknown shorthand flag: '${next[1]}' in ${next}`
    printError(`${what}${usage}`)
    return FLAG_ERROR_CODE
  }
  printError(`${programName}: unknown command: ${programName} ${group} ${next}${usage}`)
  return 1
}

const SHORT_HELP_NOTICE = 'Flag shorthand -h has been deprecated, use --help\n'

async function showHelp(command: Command, { entry, called }: FoundCommand, world: World): Promise<void> {
  const complaint = await complaintOfPath(entry, called, world.ask)
  if (complaint !== undefined) printOut(`${complaint}\n`)
  else printOut(await formatCommandHelp(command, entry, called, columns(), world.ask))
}

/** A command's own needs, then its group's. */
async function complaintOfPath(entry: CommandEntry, called: string, ask: AskFeatures): Promise<string | undefined> {
  const path = displayPath(entry, called)
  const own = await complaintOfCommand(`${programName} ${path}`, entry, ask)
  const [group = '', verb] = path.split(' ')
  const traits = verb === undefined ? undefined : GROUP_TRAITS[group]
  return own ?? (traits && (await complaintOfCommand(`${programName} ${group}`, traits, ask)))
}

async function runCommand(found: FoundCommand, world: World): Promise<number> {
  const { entry, called, rest } = found
  const path = `${programName} ${displayPath(entry, called)}`
  const usage = `\n\nUsage:  ${usageLine(entry, called)}\n\n`
  const command = await entry.load()
  let parsed: ParsedArguments
  try {
    parsed = parseFlags(rest, withHelp(command), command.interspersed ?? true)
  } catch (error) {
    printError(`${messageOf(error)}${usage}Run '${path} --help' for more information\n`)
    return FLAG_ERROR_CODE
  }
  for (const notice of parsed.notices) printOut(notice)
  if (parsed.flags.boolean('help')) {
    await showHelp(command, found, world)
    return 0
  }
  const wrong = checkCount(command, parsed.args)
  if (wrong !== undefined) {
    const see = /^requires at least \d+ argument/.test(wrong)
      ? 'See'
      : wrong.startsWith('requires at most')
        ? 'SRun'
        : 'Run'
    printError(`${programName}: '${path}' ${wrong}${usage}${see} '${path} --help' for more information\n`)
    return 1
  }
  try {
    const shell = await world.open()
    await refuseUnsupported(command, found, parsed.flags, world.ask)
    return await command.run(shell, parsed.args, parsed.flags, called)
  } catch (error) {
    if (error instanceof ExitCode) {
      if (error.message !== '') printError(`${error.message}\n`)
      return error.code
    }
    printError(`${messageOf(error)}\n`)
    if (!isFailure(error) && process.env['BERTH_DEBUG']) printError(`${(error as Error).stack}\n`)
    return 1
  }
}

/** `--help` everywhere; `-h` too where it has no meaning of its own. */
function withHelp(command: Command): Command['flags'] {
  if (command.flags.some(({ name }) => name === 'help')) return command.flags
  return [
    ...command.flags,
    { name: 'help', kind: 'boolean', usage: 'Print usage' },
    { name: 'h', short: 'h', kind: 'boolean', usage: '', aliasOf: 'help', shortNotice: true },
  ]
}

async function refuseUnsupported(
  command: Command,
  { entry, called }: FoundCommand,
  flags: FlagValues,
  ask: AskFeatures,
): Promise<void> {
  const complaint = await complaintOfPath(entry, called, ask)
  if (complaint !== undefined) throw new ExitCode(1, complaint)
  const wrong: string[] = []
  for (const flag of command.flags) {
    const why = flags.isGiven(flag.name) ? await complaintOfFlag(flag.name, flag, ask) : undefined
    if (why !== undefined) wrong.push(why)
  }
  if (wrong.length > 0) throw new ExitCode(1, wrong.join('\n'))
}

/** Docker's words for a wrong number of arguments. */
function checkCount({ args }: Command, given: readonly string[]): string | undefined {
  const { min, max } = args
  const plural = (count: number) => `argument${count === 1 ? '' : 's'}`
  if (given.length >= min && (max === undefined || given.length <= max)) return undefined
  if (max === 0) return 'accepts no arguments'
  if (max === min) return `requires ${min} ${plural(min)}`
  if (max === undefined) return `requires at least ${min} ${plural(min)}`
  if (min === 0) return `requires at most ${max} ${plural(max)}`
  return `requires at least ${min} and at most ${max} ${plural(max)}`
}

async function openShell(flags: FlagValues, env: NodeJS.ProcessEnv): Promise<Shell> {
  const directory = configDirectory(flags.text('config'), env)
  const config: ConfigFile = loadConfigFile(directory, printError)
  const given = endpointFlags(flags)
  const context = chooseContext(given, config, env)
  const ofDefault = () => resolveDefault(given, directory, env)
  const connect = await prepareConnection(() => resolveEndpoint(context, ofDefault, config, directory, env))
  return {
    get connection() {
      return connect()
    },
    context,
    config,
    configDirectory: directory,
    resolveDefault: ofDefault,
    env,
    isDebug: flags.boolean('debug') ?? false,
    interruption: new Interruption(),
    print: printOut,
    printError,
  }
}

function endpointFlags(flags: FlagValues): EndpointFlags {
  return {
    hosts: flags.list('host'),
    context: flags.text('context') || undefined,
    tls: flags.boolean('tls') ?? false,
    tlsVerify: flags.boolean('tlsverify'),
    tlsCaCert: flags.text('tlscacert'),
    tlsCert: flags.text('tlscert'),
    tlsKey: flags.text('tlskey'),
  }
}

/** Commands that speak to no engine work with a context that leads nowhere: what is wrong with it is thrown when it is used. */
async function prepareConnection(resolve: () => Promise<Endpoint>): Promise<() => Connection> {
  try {
    const connection = new Connection(await resolve())
    return () => connection
  } catch (error) {
    return () => {
      throw error
    }
  }
}
