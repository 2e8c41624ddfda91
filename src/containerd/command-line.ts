// The program's command line: containerd's own flags and commands, and one flag of ours.
import { parseArgs } from 'node:util'
import { Failure, messageOf } from '../base/failure.ts'
import { OWN_RUNTIMES } from './own-runtimes.ts'

export const USAGE = `berth-containerd: containerd's API over berth's runtime

Usage: berth-containerd [flags] [command]

Commands:
  config default     print the configuration without a file
  config dump        print the configuration with all that holds
  config migrate     print the file in the words of the newest version
  publish            publish an event, which is read from standard input
  fsck               check what is on disk, and mend it: fsck --help
  oci-hook           run a program with a container's state in its arguments

Flags:
  -c, --config FILE     config.toml, of version 1, 2 or 3
  -a, --address PATH    socket to serve on (default: containerd.sock in the state directory)
  -l, --log-level LEVEL trace, debug, info, warn, error, fatal or panic (default info)
      --root DIR        content, metadata, snapshots
      --state DIR       bundles of running tasks
      --own-runtimes NAMES
                        runtimes that are served without a shim of their own, separated by commas (default
                        ${OWN_RUNTIMES.join(',')});
                        any other name or path is a containerd-shim-* program
      --shim PATH       the berth-shim program (default: beside this program)
  -v, --version         print the version
  -h, --help            print this
`

export interface CommandLine {
  command: 'serve' | 'help' | 'version' | 'config default' | 'config dump' | 'config migrate' | 'publish' | 'oci-hook'
  config: string | undefined
  address: string | undefined
  logLevel: string | undefined
  root: string | undefined
  state: string | undefined
  shim: string | undefined
  ownRuntimes: string | undefined
  /** Of `publish`. */
  namespace: string | undefined
  topic: string | undefined
  /** What follows the command. */
  rest: string[]
}

const OPTIONS = {
  address: { type: 'string', short: 'a' },
  root: { type: 'string' },
  state: { type: 'string' },
  shim: { type: 'string' },
  'own-runtimes': { type: 'string' },
  'log-level': { type: 'string', short: 'l' },
  config: { type: 'string', short: 'c' },
  version: { type: 'boolean', short: 'v' },
  help: { type: 'boolean', short: 'h' },
  namespace: { type: 'string' },
  topic: { type: 'string' },
} as const

/** Go's flags may have one dash or two. Throws `invalid-argument` for what is no flag or command. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const hook = argv.indexOf('oci-hook')
  const own = hook < 0 ? argv : argv.slice(0, hook + 1) // what follows belongs to the program that it runs
  const { values, positionals } = parse(own.map((word) => word.replace(/^-(?=[a-z-]{2})/, '--').replace(/^---/, '--')))
  const command = commandOf(values.help === true, values.version === true, positionals)
  return {
    command,
    config: values.config,
    address: values.address,
    logLevel: values['log-level'],
    root: values.root,
    state: values.state,
    shim: values.shim,
    ownRuntimes: values['own-runtimes'],
    namespace: values.namespace,
    topic: values.topic,
    rest: hook < 0 ? [] : argv.slice(hook + 1).filter((word, index) => index > 0 || word !== '--'),
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, strict: true, allowPositionals: true })
  } catch (error) {
    throw new Failure('invalid-argument', messageOf(error), { cause: error })
  }
}

const COMMANDS = ['config default', 'config dump', 'config migrate', 'publish', 'oci-hook'] as const

function commandOf(isHelp: boolean, isVersion: boolean, words: readonly string[]): CommandLine['command'] {
  if (isHelp || words[0] === 'help' || words[0] === 'h') return 'help'
  if (isVersion) return 'version'
  if (words.length === 0) return 'serve'
  const name = words.join(' ')
  const found = COMMANDS.find((command) => command === name)
  if (found === undefined) throw new Failure('invalid-argument', `unknown command: ${name}`)
  return found
}
