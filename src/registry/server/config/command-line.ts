// The program's commands, with the original's names.
import { parseArgs } from 'node:util'
import { Failure } from '../../../base/failure.ts'

export type CommandLine = { command: 'help' } | { command: 'version' } | { command: 'serve'; config: string }

export const USAGE = `Usage: berth-registry COMMAND

Commands:
  serve CONFIG     serves until SIGTERM; CONFIG may also be named by REGISTRY_CONFIGURATION_PATH
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
      if (config === undefined || another !== undefined)
        throw new Failure('invalid-argument', 'serve takes one configuration file')
      return { command: 'serve', config }
    default:
      throw new Failure('invalid-argument', `${JSON.stringify(command)} is not a command; see berth-registry --help`)
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } },
    })
  } catch (error) {
    throw new Failure('invalid-argument', error instanceof Error ? error.message : String(error))
  }
}
