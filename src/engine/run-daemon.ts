// berthd from its command line to its last signal.
import type { Server } from 'node:http'
import { BERTH_VERSION } from '../api/versions.ts'
import { systemClock } from '../base/clock.ts'
import { messageOf } from '../base/failure.ts'
import { createLog, type Log } from '../base/log.ts'
import { UndoStack } from '../base/undo-stack.ts'
import { connectContainerd } from '../containerd/client/client.ts'
import type { EngineConfig } from './config.ts'
import { superviseContainerd } from './containerd/supervise-containerd.ts'
import { listenOn, parseListenAddress } from './http/listen.ts'
import { createApiServer } from './http/server.ts'
import { releaseStartPagesSoon } from '../linux/release-pages.ts'
import { loadConfig } from './load-config.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { lockDataRoot, removePidFile, writePidFile } from './pid-file.ts'
import { formatHelp } from './settings/parse-flags.ts'

const PROGRAM = 'berthd'
/** A containerd that died is back within half a second; a request waits for it rather than fail. */
const CONTAINERD_PATIENCE_MS = 5_000

export interface Surroundings {
  argv: readonly string[]
  /** Starts the containerd that belongs to this engine. */
  containerdCommand: readonly string[]
  shimPath: string | undefined
}

/** Resolves with the exit code once the daemon has been told to go, or could not start. */
export async function runDaemon(surroundings: Surroundings): Promise<number> {
  try {
    const { action, config, ignoredKeys } = loadConfig(surroundings.argv)
    if (action === 'help') return print(formatHelp(PROGRAM))
    if (action === 'version') return print(`Berth version ${BERTH_VERSION}\n`)
    if (action === 'validate') return print('configuration OK\n')
    const log = createLog(config.logLevel)
    for (const key of ignoredKeys) log.warn('a directive of the configuration file has no effect', { key })
    await serveUntilTold(config, log, surroundings)
    return 0
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    return 1
  }
}

async function serveUntilTold(config: EngineConfig, log: Log, surroundings: Surroundings): Promise<void> {
  const told = nextSignal()
  await using closing = new UndoStack((error) => log.warn('shutdown', { error: messageOf(error) }))
  lockDataRoot(openNativeKernel(), config.dataRoot)
  writePidFile(config.pidFile, PROGRAM)
  closing.defer(() => removePidFile(config.pidFile))
  const address = config.containerdAddress ?? startContainerd(config, log, surroundings, closing)
  const containerd = connectContainerd({
    address,
    namespace: config.containerdNamespace,
    patienceMs: CONTAINERD_PATIENCE_MS,
  })
  closing.defer(() => containerd.close())
  // The other daemon loads while this one does.
  const { openEngine } = await import('./open-engine.ts')
  const { handlers, close } = await openEngine({ config, containerd, log, shimPath: surroundings.shimPath })
  closing.defer(close)
  for (const host of config.hosts) {
    const server = createApiServer({ handlers, log })
    await listenOn(server, parseListenAddress(host), config.group, log)
    closing.defer(() => closeServer(server))
  }
  log.info('Daemon has completed initialization')
  releaseStartPagesSoon()
  log.info(`Processing signal '${await told}'`)
}

function startContainerd(config: EngineConfig, log: Log, surroundings: Surroundings, closing: UndoStack): string {
  const containerd = superviseContainerd({
    dataRoot: config.dataRoot,
    execRoot: config.execRoot,
    command: surroundings.containerdCommand,
    shimPath: surroundings.shimPath,
    logLevel: config.logLevel,
    log,
    clock: systemClock,
  })
  closing.defer(() => containerd.stop())
  return containerd.address
}

/** The listener goes at once, and with it the socket's file; clients that still wait see their connection end. */
function closeServer(server: Server): void {
  server.close()
  server.closeAllConnections()
}

/** SIGHUP would reload in Docker; here it must at least not kill. */
function nextSignal(): Promise<NodeJS.Signals> {
  process.on('SIGHUP', () => {})
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}
