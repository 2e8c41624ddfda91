// The daemon's command line, by the rules of Docker's flag parser.
import { Failure, messageOf } from '../../base/failure.ts'
import { SETTINGS, type Setting } from './setting-table.ts'
import { addFlagText, type SettingValue } from './setting-value.ts'

export interface Flags {
  /** By the setting's key. */
  readonly values: ReadonlyMap<string, SettingValue>
  readonly configFile: string | undefined
  readonly action: 'run' | 'help' | 'version' | 'validate'
  /** To be told to whoever started the daemon. */
  readonly warnings: readonly string[]
}

/** Flags without a key in daemon.json. */
const OWN_FLAGS: readonly Flag[] = [
  { key: '', flag: 'config-file', kind: 'string', help: 'Daemon configuration file' },
  { key: '', flag: 'validate', kind: 'bool', help: 'Validate daemon configuration and exit' },
  { key: '', flag: 'version', short: 'v', kind: 'bool', help: 'Print version information and quit' },
  { key: '', flag: 'help', short: 'h', kind: 'bool', help: 'Print usage' },
  { key: '', flag: 'restart', short: 'r', kind: 'bool', help: '', isHidden: true },
]
const FLAGS: readonly Flag[] = [...SETTINGS.filter(hasFlag), ...OWN_FLAGS]

type Flag = Setting & { readonly flag: string }

function hasFlag(setting: Setting): setting is Flag {
  return setting.flag !== undefined
}

/** Throws in the words of Docker's parser. */
export function parseFlags(argv: readonly string[]): Flags {
  const values = new Map<string, SettingValue>()
  const own = new Map<string, SettingValue>()
  for (let i = 0; i < argv.length; ) {
    const argument = argv[i++] as string
    const { setting, text } = splitArgument(argument)
    const value = text ?? (setting.kind === 'bool' ? 'true' : argv[i++])
    if (value === undefined) throw usageError(`flag needs an argument: ${nameForMissing(argument)}`)
    const [store, key] = setting.key === '' ? [own, setting.flag] : [values, setting.key]
    store.set(key, addText(setting, store.get(key), value))
  }
  const action = (['help', 'version', 'validate'] as const).find((name) => own.get(name) === true) ?? 'run'
  const warnings = own.has('restart')
    ? ['Flag --restart has been deprecated, Please use a restart policy on docker run']
    : []
  return { values, configFile: own.get('config-file') as string | undefined, action, warnings }
}

/** What stands behind a flag in the help, as Docker's parser names it. */
const KIND_WORDS: Record<Setting['kind'], string> = {
  string: ' string',
  bool: '',
  int: ' int',
  bytes: ' bytes',
  ip: ' ip',
  ips: ' ipSlice',
  list: ' list',
  map: ' map',
  switches: ' map',
  ulimits: ' ulimit',
  runtimes: ' runtime',
  any: ' list',
}

export function formatHelp(program: string): string {
  const lines = FLAGS.filter(({ isHidden }) => !isHidden)
    .map(({ flag, short, kind, help }) => {
      const names = `${short ? `-${short}, ` : '    '}--${flag}${KIND_WORDS[kind]}`
      return { flag, text: `  ${names.padEnd(42)} ${help}` }
    })
    .sort((a, b) => (a.flag < b.flag ? -1 : 1))
  return `\nUsage:  ${program} [OPTIONS]\n\nA self-sufficient runtime for containers.\n\nOptions:\n${lines.map((line) => line.text).join('\n')}\n`
}

/** `--flag`, `--flag=value`, `-x`, `-xvalue`, `-x=value`. */
function splitArgument(argument: string): { setting: Flag; text: string | undefined } {
  const long = /^--([^=]+)(?:=(.*))?$/s.exec(argument)
  if (long) {
    const setting = FLAGS.find(({ flag }) => flag === long[1])
    if (!setting) throw usageError(`unknown flag: --${long[1]}`)
    return { setting, text: long[2] }
  }
  const short = /^-([^-=])(=?)(.*)$/s.exec(argument)
  if (!short) throw usageError(`berthd: "berthd" accepts no arguments.`)
  const setting = FLAGS.find((flag) => flag.short === short[1])
  if (!setting) throw usageError(`unknown shorthand flag: '${short[1]}' in ${argument}`)
  return { setting, text: short[2] === '' && short[3] === '' ? undefined : short[3] }
}

function addText(setting: Flag, before: SettingValue | undefined, text: string): SettingValue {
  try {
    return addFlagText(setting.kind, before, text)
  } catch (error) {
    const name = `${setting.short ? `-${setting.short}, ` : ''}--${setting.flag}`
    throw usageError(`invalid argument ${JSON.stringify(text)} for "${name}" flag: ${messageOf(error)}`)
  }
}

function nameForMissing(argument: string): string {
  return argument.startsWith('--') ? argument : `'${argument[1]}' in ${argument}`
}

function usageError(message: string): Failure {
  return new Failure('invalid-argument', `${message}\nSee 'berthd --help'.`)
}
