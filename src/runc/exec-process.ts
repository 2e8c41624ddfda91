// What `exec` runs: a process document, or the container's own process with what the command line changes.
import { readFileSync } from 'node:fs'
import { Failure } from '../base/failure.ts'
import { describeJsonError } from '../oci/json-shape.ts'
import type { ProcessSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import { parseProcess } from '../runtime/parse-runtime-spec.ts'
import { ioReason } from './io-error.ts'
import type { Options } from './parse-options.ts'

/** Throws Failure('invalid-argument') in runc's words. */
export function readExecProcess(options: Options, argv: readonly string[], spec: RuntimeSpec): ProcessSpec {
  const path = options.text('process')
  const process =
    path !== undefined && path !== '' ? readProcessFile(path) : changedProcess(options, argv, requireProcess(spec))
  if (process.cwd === '') throw new Failure('invalid-argument', 'Cwd property must not be empty')
  if (!process.cwd.startsWith('/')) throw new Failure('invalid-argument', 'Cwd must be an absolute path')
  if ((process.args ?? []).length === 0) throw new Failure('invalid-argument', 'args must not be empty')
  return process
}

function requireProcess({ process }: RuntimeSpec): ProcessSpec {
  if (process === undefined) throw new Failure('invalid-argument', 'process property must not be empty')
  return process
}

function readProcessFile(path: string): ProcessSpec {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Failure('invalid-argument', `open ${path}: ${ioReason(error)}`, { cause: error })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Failure('invalid-argument', describeJsonError(error), { cause: error })
  }
  return parseProcess(value, 'process')
}

function changedProcess(options: Options, argv: readonly string[], base: ProcessSpec): ProcessSpec {
  if (argv.length === 0) throw new Failure('invalid-argument', 'process args cannot be empty')
  const [cwd, apparmor, label] = ['cwd', 'apparmor', 'process-label'].map((name) => options.text(name))
  const { consoleSize: _, ...kept } = base
  return {
    ...kept,
    args: [...argv],
    env: [...(base.env ?? []), ...options.texts('env')],
    terminal: options.flag('tty'),
    user: changedUser(options, base),
    ...(cwd === undefined || cwd === '' ? {} : { cwd }),
    ...(apparmor === undefined || apparmor === '' ? {} : { apparmorProfile: apparmor }),
    ...(label === undefined || label === '' ? {} : { selinuxLabel: label }),
    ...(options.has('no-new-privs') ? { noNewPrivileges: options.flag('no-new-privs') } : {}),
    ...changedCapabilities(options.texts('cap'), base),
  }
}

function changedUser(options: Options, base: ProcessSpec): NonNullable<ProcessSpec['user']> {
  const groups = options.integers('additional-gids')
  const wrong = groups.find((group) => group < 0)
  if (wrong !== undefined) throw new Failure('invalid-argument', `additional-gids must be a positive number ${wrong}`)
  const user = { uid: 0, gid: 0, ...base.user, ...parseUser(options.text('user')) }
  return { ...user, additionalGids: [...(base.user?.additionalGids ?? []), ...groups] }
}

/** Numbers only: names mean something else inside. The rest of a number that is none must not become root's. */
function parseUser(text: string | undefined): { uid?: number; gid?: number } {
  if (text === undefined || text === '') return {}
  const [user = '', group] = text.split(/:(.*)/s)
  return {
    uid: parseId(user, 'uid'),
    ...(group === undefined ? {} : { gid: parseId(group, 'gid') }),
  }
}

const ID_MAX = 2 ** 32 - 2

function parseId(text: string, what: string): number {
  const fault = !/^[+-]?\d+$/.test(text) ? 'invalid syntax' : !isId(Number(text)) ? 'value out of range' : undefined
  if (fault === undefined) return Number(text)
  const quoted = JSON.stringify(text)
  throw new Failure(
    'invalid-argument',
    `parsing ${text} as int for ${what} failed: strconv.Atoi: parsing ${quoted}: ${fault}`,
  )
}

function isId(number: number): boolean {
  return number >= 0 && number <= ID_MAX
}

/** Not inheritable: a file with inheritable capabilities would hand them to whoever runs it (CVE-2022-29162). */
function changedCapabilities(added: readonly string[], base: ProcessSpec): Pick<ProcessSpec, 'capabilities'> {
  if (added.length === 0) return {}
  const { capabilities = {} } = base
  const sets = ['bounding', 'effective', 'permitted', 'ambient'] as const
  return {
    capabilities: {
      ...capabilities,
      ...Object.fromEntries(sets.map((set) => [set, [...(capabilities[set] ?? []), ...added]])),
    },
  }
}
