// berth-runc: global options, then a command. Failures go to the log in the words callers look for, and decide the exit status.
import { isFailure, messageOf } from '../base/failure.ts'
import type { GlobalSettings } from './command.ts'
import { COMMANDS, type CommandEntry, GLOBAL_OPTIONS } from './command-index.ts'
import { print, printError } from './output.ts'
import { type Options, type ParsedLine, parseOptions } from './parse-options.ts'
import { openRuntimeLog, type RuntimeLog } from './runtime-log.ts'
import { readGlobalSettings } from './global-settings.ts'
import { NAME, versionText } from './version.ts'

const NO_SUCH_COMMAND = 3

/** @returns the exit status. */
export async function main(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const plain = openRuntimeLog({ path: undefined, format: 'text', isDebug: false })
  let parsed: ParsedLine
  let settings: GlobalSettings
  let log: RuntimeLog
  try {
    parsed = parseOptions(args, GLOBAL_OPTIONS, { keepsOrder: true })
    const [name] = parsed.rest
    if (parsed.options.flag('version')) return done(versionText())
    if (parsed.options.flag('help') || name === undefined || name === 'help' || name === 'h')
      return await help(parsed.rest[1])
    settings = readGlobalSettings(parsed.options, environment)
    log = openRuntimeLog(settings.log)
  } catch (error) {
    return await misused(plain, error, undefined)
  }
  const [name = '', ...words] = parsed.rest
  const entry = COMMANDS.find((each) => each.name === name)
  if (entry === undefined) {
    fail(log, `No help topic for '${name}'`)
    return NO_SUCH_COMMAND
  }
  return await runCommand(entry, words, settings, log)
}

async function runCommand(
  entry: CommandEntry,
  words: readonly string[],
  settings: GlobalSettings,
  log: RuntimeLog,
): Promise<number> {
  if (words[0] === '--help' || words[0] === '-h') return await help(entry.name)
  let line: { options: Options; rest: string[] }
  try {
    line = parseOptions(words, entry.options, { keepsOrder: entry.keepsOrder === true })
    checkCount(entry, line.rest.length)
  } catch (error) {
    return await misused(log, error, entry)
  }
  try {
    const command = await entry.load()
    return await command({ settings, options: line.options, args: line.rest, log })
  } catch (error) {
    if (settings.log.isDebug && error instanceof Error) log.write('debug', error.stack ?? '')
    fail(log, messageOf(error))
    return entry.failureStatus ?? 1
  }
}

function checkCount(entry: CommandEntry, count: number): void {
  if (count >= entry.least && count <= entry.most) return
  const wanted =
    entry.least === entry.most
      ? `exactly ${entry.least}`
      : count < entry.least
        ? `a minimum of ${entry.least}`
        : `a maximum of ${entry.most}`
  throw new Error(`${NAME}: "${entry.name}" requires ${wanted} argument(s)`)
}

/** Where the log is a file, a person at the terminal reads it too. */
function fail(log: RuntimeLog, message: string): void {
  log.write('error', message)
  if (!log.isStandardError) printError(`${message}\n`)
}

async function misused(log: RuntimeLog, error: unknown, entry: CommandEntry | undefined): Promise<number> {
  if (isFailure(error) || entry !== undefined) {
    const { commandHelp, globalHelp } = await import('./usage.ts')
    print(`Incorrect Usage.\n\n${entry === undefined ? globalHelp() : commandHelp(entry)}`)
  }
  fail(log, messageOf(error))
  return 1
}

async function help(name: string | undefined): Promise<number> {
  const { commandHelp, globalHelp } = await import('./usage.ts')
  const entry = COMMANDS.find((each) => each.name === name)
  return done(entry === undefined ? globalHelp() : commandHelp(entry))
}

function done(text: string): number {
  print(text)
  return 0
}
