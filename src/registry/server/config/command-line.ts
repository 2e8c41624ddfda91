// The program's commands, with the original's names.
import { parseArgs } from 'node:util'
import { Failure } from '../../../base/failure.ts'
import { parseDuration } from './section.ts'

export type CommandLine =
  | { command: 'help' }
  | { command: 'version' }
  | { command: 'serve'; config: string }
  | { command: 'scrub'; config: string }
  | {
      command: 'garbage-collect'
      config: string
      dryRun: boolean
      deleteUntagged: boolean
      graceMs: number | undefined
    }

export const USAGE = `Usage: berth-registry COMMAND

Commands:
  serve CONFIG     serves until SIGTERM; CONFIG may also be named by REGISTRY_CONFIGURATION_PATH
  garbage-collect [--dry-run] [--delete-untagged] [--grace DURATION] CONFIG
                   one round of the collector, beside a server that serves or without one. What nothing needs is condemned first and
                   removed by a round that comes after the grace period; --grace 0 is for when nobody pushes, and removes at once
  scrub CONFIG     reads every blob; exit code 1 when one is damaged
  version          prints the version

The configuration file has the keys of the original registry's; REGISTRY_HTTP_ADDR=:5001 in the environment overrides http.addr.
`

/** Throws Failure('invalid-argument'). */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const { values, positionals } = parse(argv)
  if (values.help === true) return { command: 'help' }
  if (values.version === true) return { command: 'version' }
  const [command, config = process.env['REGISTRY_CONFIGURATION_PATH'], another] = positionals
  switch (command) {
    case undefined:
    case 'help':
      return { command: 'help' }
    case 'version':
      return { command: 'version' }
    case 'serve':
    case 'scrub':
    case 'garbage-collect':
      if (config === undefined || another !== undefined)
        throw new Failure('invalid-argument', `${command} takes one configuration file`)
      return command === 'garbage-collect' ? { command, config, ...collection(values) } : { command, config }
    default:
      throw new Failure('invalid-argument', `${JSON.stringify(command)} is not a command; see berth-registry --help`)
  }
}

function collection(values: ReturnType<typeof parse>['values']) {
  const graceMs = values.grace === undefined ? undefined : parseDuration(values.grace)
  if (values.grace !== undefined && graceMs === undefined)
    throw new Failure('invalid-argument', `--grace: ${JSON.stringify(values.grace)} is not a duration such as 1h30m`)
  return { dryRun: values['dry-run'] ?? false, deleteUntagged: values['delete-untagged'] ?? false, graceMs }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
        'dry-run': { type: 'boolean', short: 'd' },
        'delete-untagged': { type: 'boolean', short: 'm' },
        grace: { type: 'string' },
      },
    })
  } catch (error) {
    throw new Failure('invalid-argument', error instanceof Error ? error.message : String(error))
  }
}
