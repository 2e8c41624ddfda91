// From words on the command line to a command, its flags and its exit code.
import { isFailure, messageOf } from '../base/failure.ts'
import { type Command, ExitCode, type Shell } from './command.ts'
import { COMMANDS } from './commands.ts'
import { Connection } from './connection/connection.ts'
import { type Flag, type ParsedArguments, parseFlags } from './flags.ts'
import { CLIENT_VERSION } from './version.ts'
import { formatCommandHelp, formatRootHelp, programName } from './help.ts'

const GLOBAL_FLAGS: readonly Flag[] = [
  { name: 'config', kind: 'string', usage: 'Location of client config files' },
  { name: 'context', short: 'c', kind: 'string', usage: 'Name of the context to use to connect to the daemon' },
  { name: 'debug', short: 'D', kind: 'boolean', usage: 'Enable debug mode' },
  { name: 'help', kind: 'boolean', usage: 'Print usage' },
  { name: 'host', short: 'H', kind: 'list', usage: 'Daemon socket to connect to' },
  {
    name: 'log-level',
    short: 'l',
    kind: 'string',
    usage: 'Set the logging level ("debug", "info", "warn", "error", "fatal")',
  },
  { name: 'version', short: 'v', kind: 'boolean', usage: 'Print version information and quit' },
]

const DEFAULT_HOST = 'unix:///run/berth.sock'

/** Runs one command line; never throws. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const print = (text: string) => void process.stdout.write(text)
  const printError = (text: string) => void process.stderr.write(text)
  let global: ParsedArguments
  try {
    global = parseFlags(argv, GLOBAL_FLAGS, false)
  } catch (error) {
    printError(`${messageOf(error)}\nSee '${programName} --help'.\n`)
    return 125
  }
  const words = global.args
  if (global.flags.boolean('version')) {
    print(`Berth version ${CLIENT_VERSION}\n`)
    return 0
  }
  if (words.length === 0 || words[0] === 'help') {
    print(formatRootHelp(COMMANDS))
    return 0
  }
  const found = findCommand(words)
  if (found === undefined) {
    printError(
      `${programName}: unknown command: ${programName} ${words[0]}\n\nRun '${programName} --help' for more information\n`,
    )
    return 1
  }
  const host = global.flags.list('host').at(-1) ?? (env['BERTH_HOST'] || env['DOCKER_HOST'] || DEFAULT_HOST)
  return runCommand(found.command, found.rest, { host, env, print, printError })
}

function findCommand(words: readonly string[]): { command: Command; rest: string[] } | undefined {
  for (const length of [2, 1]) {
    const path = words.slice(0, length).join(' ')
    const command = words.length >= length ? COMMANDS.find((candidate) => candidate.paths.includes(path)) : undefined
    if (command !== undefined) return { command, rest: words.slice(length) }
  }
  return undefined
}

interface World {
  host: string
  env: NodeJS.ProcessEnv
  print(text: string): void
  printError(text: string): void
}

async function runCommand(command: Command, words: string[], world: World): Promise<number> {
  const path = command.paths[0] ?? ''
  let parsed: ParsedArguments
  try {
    parsed = parseFlags(
      words,
      [...command.flags, { name: 'help', kind: 'boolean', usage: '' }],
      command.interspersed ?? true,
    )
  } catch (error) {
    world.printError(
      `${messageOf(error)}\n\nUsage:  ${programName} ${path} ${command.usage}\n\nRun '${programName} ${path} --help' for more information\n`,
    )
    return 125
  }
  if (parsed.flags.boolean('help')) {
    world.print(formatCommandHelp(command))
    return 0
  }
  const wrong = checkCount(command, parsed.args)
  if (wrong !== undefined) {
    world.printError(
      `${wrong}\n\nUsage:  ${programName} ${path} ${command.usage}\n\nRun '${programName} ${path} --help' for more information\n`,
    )
    return 1
  }
  const { stdin, stdout, stderr } = process
  const { env, print, printError } = world
  try {
    const shell: Shell = { connection: new Connection(world.host), stdin, stdout, stderr, env, print, printError }
    return await command.run(shell, parsed.args, parsed.flags)
  } catch (error) {
    if (error instanceof ExitCode) {
      if (error.message !== '') printError(`${error.message}\n`)
      return error.code
    }
    printError(`${messageOf(error)}\n`)
    if (!isFailure(error) && env['BERTH_DEBUG']) printError(`${(error as Error).stack}\n`)
    return command.failureCode ?? 1
  }
}

/** Docker's words for a wrong number of arguments. */
function checkCount({ args, paths }: Command, given: readonly string[]): string | undefined {
  const name = `${programName} ${paths[0]}`
  const plural = (count: number) => `${count} argument${count === 1 ? '' : 's'}`
  if (args.max === 0 && given.length > 0) return `${programName}: '${name}' accepts no arguments`
  if (args.max !== undefined && args.max === args.min && given.length !== args.min)
    return `${programName}: '${name}' requires ${plural(args.min)}`
  if (given.length < args.min) return `${programName}: '${name}' requires at least ${plural(args.min)}`
  if (args.max !== undefined && given.length > args.max)
    return `${programName}: '${name}' requires at most ${plural(args.max)}`
  return undefined
}
