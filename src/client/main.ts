// From words on the command line to a command, its flags and its exit code.
import { isFailure, messageOf } from '../base/failure.ts'
import { type Command, ExitCode, type Shell } from './command.ts'
import { COMMANDS, type CommandEntry, displayPath, findCommand, GROUPS } from './command-index.ts'
import { type ConfigFile, configDirectory, loadConfigFile } from './connection/config-file.ts'
import { Connection } from './connection/connection.ts'
import { type ResolvedEndpoint, resolveEndpoint } from './connection/endpoint.ts'
import { type FlagValues, type ParsedArguments, parseFlags } from './flags.ts'
import { globalFlags } from './global-flags.ts'
import { formatCommandHelp, formatGroupHelp, formatRootHelp, programName, usageLine } from './help.ts'
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
  const isHelp = global.args[0] === 'help'
  const words = isHelp ? global.args.slice(1) : global.args
  if (words.length === 0) {
    for (const notice of global.notices) printOut(notice)
    printOut(formatRootHelp(COMMANDS, table, columns()))
    return 0
  }
  const found = findCommand(words)
  if (found === undefined) return withoutCommand(words, isHelp)
  if (isHelp) {
    if (found.rest.length > 0) return withoutCommand(words, true)
    printOut(formatCommandHelp(await found.entry.load(), found.entry, found.called, columns()))
    return 0
  }
  return runCommand(found.entry, found.called, found.rest, () => openShell(global.flags, env))
}

function withoutCommand(words: readonly string[], isHelp: boolean): number {
  const [group = '', next] = words
  const isGroup = group in GROUPS
  if (isGroup && (next === undefined || next === '--help' || next === '-h')) {
    printOut(formatGroupHelp(group, COMMANDS))
    return 0
  }
  if (isHelp) printError(`unknown help topic: ${words.join(' ')}\n`)
  else if (isGroup)
    printError(
      `${programName}: unknown command: ${programName} ${group} ${next}\n\nUsage:  ${programName} ${group}\n\nRun '${programName} ${group} --help' for more information\n`,
    )
  else
    printError(
      `${programName}: unknown command: ${programName} ${group}\n\nRun '${programName} --help' for more information\n`,
    )
  return 1
}

async function runCommand(
  entry: CommandEntry,
  called: string,
  words: string[],
  openWorld: () => Promise<Shell>,
): Promise<number> {
  const path = `${programName} ${displayPath(entry, called)}`
  const usage = `\n\nUsage:  ${usageLine(entry, called)}\n\n`
  const command = await entry.load()
  let parsed: ParsedArguments
  try {
    parsed = parseFlags(words, withHelp(command), command.interspersed ?? true)
  } catch (error) {
    printError(`${messageOf(error)}${usage}Run '${path} --help' for more information\n`)
    return FLAG_ERROR_CODE
  }
  for (const notice of parsed.notices) printOut(notice)
  if (parsed.flags.boolean('help')) {
    printOut(formatCommandHelp(command, entry, called, columns()))
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
    const shell = await openWorld()
    await refuseForeignFlags(shell, command, parsed.flags)
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

async function refuseForeignFlags(shell: Shell, command: Command, flags: FlagValues): Promise<void> {
  const wrong: string[] = []
  for (const flag of command.flags) {
    if (!(flag.isForWindows || flag.isExperimental) || !flags.has(flag.name)) continue
    const { osType, isExperimental } = await shell.connection.ping()
    if (flag.isForWindows && osType !== 'windows')
      wrong.push(
        `"--${flag.name}" is only supported on a Docker daemon running on windows, but the Docker daemon is running on ${osType}`,
      )
    if (flag.isExperimental && !isExperimental)
      wrong.push(`"--${flag.name}" is only supported on a Docker daemon with experimental features enabled`)
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
  const resolved: ResolvedEndpoint = await resolveEndpoint(
    {
      hosts: flags.list('host'),
      context: flags.text('context'),
      tls: flags.boolean('tls') ?? false,
      tlsVerify: flags.boolean('tlsverify'),
      tlsCaCert: flags.text('tlscacert'),
      tlsCert: flags.text('tlscert'),
      tlsKey: flags.text('tlskey'),
    },
    config,
    directory,
    env,
  )
  return {
    connection: new Connection(resolved.endpoint),
    context: resolved.context,
    config,
    env,
    isDebug: flags.boolean('debug') ?? false,
    interruption: new Interruption(),
    print: printOut,
    printError,
  }
}
