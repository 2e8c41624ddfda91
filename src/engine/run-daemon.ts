// berthd from its command line to its last signal.
import { BERTH_VERSION } from '../api/versions.ts'
import { join } from 'node:path'
import { dumpOnSignal, type ListCalls } from '../base/debug/dump-state.ts'
import { systemClock } from '../base/clock.ts'
import { messageOf } from '../base/failure.ts'
import { createLog, type Log } from '../base/log.ts'
import { Mutex } from '../base/mutex.ts'
import { watchStrayErrors } from '../base/stray-errors.ts'
import { UndoStack } from '../base/undo-stack.ts'
import { connectContainerd } from '../containerd/client/client.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { releaseStartPagesSoon } from '../linux/release-pages.ts'
import { connectServiceManager, type ServiceManager } from '../linux/service-manager.ts'
import type { EngineConfig } from './config.ts'
import { ensureDefaultProfile } from './apparmor/load-profile.ts'
import { superviseContainerd } from './containerd/supervise-containerd.ts'
import type { Engine } from './engine.ts'
import { takeActivatedSockets } from './http/activated-sockets.ts'
import { loadConfig, type LoadedConfig } from './load-config.ts'
import { lockDataRoot, removePidFile, writePidFile } from './pid-file.ts'
import { exportProxies } from './settings/proxy-setting.ts'
import { formatHelp } from './settings/parse-flags.ts'
import { nextStopSignal } from './stop-signals.ts'
import { addRemapUser } from './userns/add-remap-user.ts'
import { hostDatabase } from './userns/resolve-remap.ts'

const PROGRAM = 'berthd'
/** A containerd that died is back within half a second; a request waits for it rather than fail. */
const CONTAINERD_PATIENCE_MS = 5_000
/** After an exception that nobody caught closing may hang. A supervisor starts the daemon again the sooner. */
const BROKEN_MS = 10_000

export interface Surroundings {
  argv: readonly string[]
  /** Starts the containerd that belongs to this engine. */
  containerdCommand: readonly string[]
  shimPath: string | undefined
}

/** Resolves with the exit code once the daemon has been told to go, or could not start. */
export async function runDaemon(surroundings: Surroundings): Promise<number> {
  try {
    const loaded = loadConfig(surroundings.argv, process.env, hostDatabase(addRemapUser))
    if (loaded.action === 'help') return print(formatHelp(PROGRAM))
    if (loaded.action === 'version') return print(`Berth version ${BERTH_VERSION}\n`)
    if (loaded.action === 'validate') return await validate(loaded.config)
    await serveUntilTold(loaded, surroundings)
    return 0
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    return 1
  }
}

/** On standard error, where Docker says it. */
async function validate(config: EngineConfig): Promise<number> {
  const { loadTlsOptions } = await import('./http/tls-context.ts')
  loadTlsOptions(config.tls)
  process.stderr.write('configuration OK\n')
  return 0
}

async function serveUntilTold(loaded: LoadedConfig, surroundings: Surroundings): Promise<void> {
  const { config } = loaded
  const log = createLog(() => config.logLevel, undefined, config.logFormat)
  const broken = watchStrayErrors(log, BROKEN_MS)
  const dump = dumpWhenAsked(config, log)
  exportProxies(config.proxies, process.env)
  for (const warning of loaded.warnings) log.warn(warning)
  const told = nextStopSignal(log)
  process.on('SIGHUP', () => {}) // a reload that comes too early must not kill
  await using closing = new UndoStack((error) => log.warn('shutdown', { error: messageOf(error) }))
  const kernel = openNativeKernel()
  using manager = connectServiceManager(kernel, process.env, log)
  const activated = takeActivatedSockets(process.env)
  lockDataRoot(kernel, config.dataRoot)
  if (config.pidFile !== '') {
    writePidFile(config.pidFile, PROGRAM)
    closing.defer(() => removePidFile(config.pidFile))
  }
  const address = config.containerdAddress ?? startContainerd(config, log, surroundings, closing)
  // Docker goes on without, too: a container that is to have the profile says so then.
  const confined = ensureDefaultProfile({ isForced: true }).catch((error: unknown) => log.error(messageOf(error)))
  const containerd = connectContainerd({
    address,
    namespace: config.containerdNamespace,
    patienceMs: CONTAINERD_PATIENCE_MS,
  })
  closing.defer(() => containerd.close())
  // The other daemon loads while this one does.
  const { openEngine } = await import('./open-engine.ts')
  const { engine, handlers, listCalls, close } = await openEngine({
    ...{ config, containerd, log, shimPath: surroundings.shimPath },
  })
  closing.defer(close)
  await confined
  dump.listCalls = listCalls
  let failure: Error | undefined
  // A daemon that is broken ends like one that was killed: containers run on, and the next one takes over.
  closing.defer(() => (failure === undefined ? endContainers(engine) : undefined))
  if (config.metricsAddress !== '') {
    const { serveMetrics } = await import('./metrics/serve-metrics.ts')
    closing.defer(await serveMetrics(engine, config.metricsAddress))
  }
  const { serveApi } = await import('./serve-api.ts')
  const api = await serveApi({ config, handlers, plugins: engine.plugins, activated, log })
  closing.defer(() => {
    manager.stopping()
    engine.phase.isLeaving = true
    api.close()
  })
  reloadOnHangup(engine, loaded, manager)
  manager.ready()
  log.info('Daemon has completed initialization')
  releaseStartPagesSoon()
  const ended = await Promise.race([told, broken])
  if (typeof ended === 'string') return
  failure = ended
  throw failure
}

/** SIGUSR1, from the start: until somebody listens it would open Node's debugger. Requests are there once there is an engine. */
function dumpWhenAsked({ execRoot }: EngineConfig, log: Log): { listCalls: ListCalls } {
  const dump: { listCalls: ListCalls } = { listCalls: () => [] }
  const path = () => join(execRoot, `goroutine-stacks-${new Date().toISOString().replaceAll(':', '')}.log`)
  dumpOnSignal({ log: () => log, listCalls: () => dump.listCalls(), path })
  return dump
}

/** Unlike Docker's, containers outlive the engine unless it is told otherwise. */
async function endContainers(engine: Engine): Promise<void> {
  if (engine.config.liveRestore) return
  const { stopAllContainers } = await import('./container/stop-all.ts')
  await stopAllContainers(engine)
}

/** One after another, in the order of the signals. */
function reloadOnHangup(engine: Engine, loaded: LoadedConfig, manager: ServiceManager): void {
  const turn = new Mutex()
  process.on('SIGHUP', () => {
    void turn.run(async () => {
      const { reloadConfig } = await import('./reload.ts')
      manager.reloading()
      await reloadConfig(engine, loaded)
      manager.ready()
    })
  })
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

function print(text: string): number {
  process.stdout.write(text)
  return 0
}
