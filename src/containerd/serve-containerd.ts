// The daemon: flags, socket, signals.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Failure, messageOf } from '../base/failure.ts'
import { createLog, type Log, type LogLevel } from '../base/log.ts'
import { UndoStack } from '../base/undo-stack.ts'
import { releaseStartPagesSoon } from '../linux/release-pages.ts'
import { serveGrpc } from '../wire/grpc/serve-grpc.ts'
import { openContainerd } from './open-containerd.ts'
import { CONTAINERD_VERSION } from './services/version.ts'

const USAGE = `berth-containerd: containerd's API over berth's runtime

  --address PATH     socket to serve on (default: containerd.sock in the state directory)
  --root DIR         content, metadata, snapshots (default /var/lib/berth/containerd)
  --state DIR        bundles of running tasks (default /run/berth/containerd)
  --shim PATH        the berth-shim program (default: beside this program)
  --log-level LEVEL  debug, info, warn or error (default info)
  --config FILE      the same settings as JSON; flags win
  --version          print the version

  fsck               check what is on disk, and mend it: berth-containerd fsck --help
`

interface Settings {
  address: string
  root: string
  state: string
  shim: string
  logLevel: LogLevel
}

/** Serves until SIGTERM or SIGINT. @returns the exit code. */
export async function serveContainerd(argv: readonly string[]): Promise<number> {
  if (argv[0] === 'fsck') return (await import('./fsck/fsck-command.ts')).runFsck(argv.slice(1))
  let settings: Settings | string
  try {
    settings = await readSettings(argv)
  } catch (error) {
    process.stderr.write(`berth-containerd: ${messageOf(error)}\n`)
    return 1
  }
  if (typeof settings === 'string') {
    process.stdout.write(settings)
    return 0
  }
  const log = createLog(settings.logLevel)
  try {
    await serve(settings, log)
    return 0
  } catch (error) {
    log.error('containerd failed', { error: messageOf(error) })
    return 1
  }
}

async function serve(settings: Settings, log: Log): Promise<void> {
  const stopped = untilSignal()
  await using undo = new UndoStack((error) => log.warn('stopping', { error: messageOf(error) }))
  const { openTasks } = await import('./open-tasks.ts')
  const containerd = undo.use(
    await openContainerd({
      root: settings.root,
      state: settings.state,
      log,
      openTasks: (deps) => openTasks({ ...deps, shimPath: settings.shim }),
    }),
  )
  undo.use(await serveGrpc(containerd.router, settings.address, log))
  log.info('containerd serves', {
    address: settings.address,
    version: CONTAINERD_VERSION,
    ms: Math.round(performance.now()),
  })
  releaseStartPagesSoon()
  const signal = await stopped
  log.info('containerd stops', { signal })
}

function untilSignal(): Promise<string> {
  process.on('SIGHUP', () => {}) // the terminal that started us is none of our business
  process.on('SIGPIPE', () => {})
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
}

const OPTIONS = {
  address: { type: 'string', short: 'a' },
  root: { type: 'string' },
  state: { type: 'string' },
  shim: { type: 'string' },
  'log-level': { type: 'string', short: 'l' },
  config: { type: 'string', short: 'c' },
  version: { type: 'boolean', short: 'v' },
  help: { type: 'boolean', short: 'h' },
} as const

/** A text to print instead of serving, for --help and --version. */
async function readSettings(argv: readonly string[]): Promise<Settings | string> {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS, strict: true })
  if (values.help) return USAGE
  if (values.version) return `berth-containerd ${CONTAINERD_VERSION}\n`
  const file = values.config === undefined ? {} : await readConfig(values.config)
  const state = values.state ?? file.state ?? '/run/berth/containerd'
  const levelName = values['log-level'] ?? file.logLevel ?? 'info'
  const logLevel = LOG_LEVELS.get(levelName)
  if (logLevel === undefined) throw new Failure('invalid-argument', `unknown log level: ${levelName}`)
  return {
    address: values.address ?? file.address ?? join(state, 'containerd.sock'),
    root: values.root ?? file.root ?? '/var/lib/berth/containerd',
    state,
    shim: values.shim ?? file.shim ?? findShim(),
    logLevel,
  }
}

const CONFIG_KEYS = ['address', 'root', 'state', 'shim', 'logLevel'] as const

async function readConfig(path: string): Promise<Partial<Record<(typeof CONFIG_KEYS)[number], string>>> {
  const { readFile } = await import('node:fs/promises')
  const parsed: unknown = JSON.parse(await readFile(path, 'utf8'))
  if (typeof parsed !== 'object' || parsed === null) throw new Failure('invalid-argument', `${path}: not an object`)
  for (const [key, value] of Object.entries(parsed)) {
    if (!CONFIG_KEYS.some((known) => known === key))
      throw new Failure('invalid-argument', `${path}: unknown key ${JSON.stringify(key)}`)
    if (typeof value !== 'string') throw new Failure('invalid-argument', `${path}: ${key} is not a string`)
  }
  return parsed
}

/** The names that containerd takes; its finer ones fall on ours. */
const LOG_LEVELS = new Map<string, LogLevel>([
  ['trace', 'debug'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['warn', 'warn'],
  ['warning', 'warn'],
  ['error', 'error'],
  ['fatal', 'error'],
  ['panic', 'error'],
])

/** Installed beside the daemon's launcher, or in the tree's build directory. */
function findShim(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  const candidates = [join(dirname(process.argv[1] ?? here), 'berth-shim'), join(here, '../../../bin/berth-shim')]
  return candidates.find((path) => existsSync(path)) ?? '/usr/libexec/berth/berth-shim'
}
