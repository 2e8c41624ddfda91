// The daemon: everything that the settings ask for, in an order in which it can also end.
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { watchStrayErrors } from '../../base/stray-errors.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import { openNativeKernel } from '../../linux/native-kernel.ts'
import { releaseStartPagesSoon } from '../../linux/release-pages.ts'
import { type GrpcServer, type GrpcServerOptions, serveGrpc } from '../../wire/grpc/serve-grpc.ts'
import { serveRouter } from '../../wire/ttrpc/serve-router.ts'
import { serveTtrpcAt } from '../../wire/ttrpc/serve-ttrpc-at.ts'
import { callsSocketOf } from '../client/calls-socket.ts'
import { watchRoot } from '../watch-root.ts'
import { disabledServices } from '../config/plugin-rules.ts'
import type { DaemonSettings } from '../config/settings.ts'
import { type Containerd, type ContainerdBehaviour, openContainerd } from '../open-containerd.ts'
import { createForwardService } from '../services/forward.ts'
import { CONTAINERD_VERSION } from '../services/version.ts'
import { dumpOnSignal } from '../../base/debug/dump-state.ts'
import type { Metrics } from './metrics/metrics.ts'
import { arrangeOwnProcess } from './own-process.ts'
import { connectServiceManager } from '../../linux/service-manager.ts'

/** Of a call that does something; those that wait for events are cut at once. systemd would wait 90 s, dockerd 15 s. */
const GRACE_MS = 3_000
/** After an exception that nobody caught closing may hang. */
const BROKEN_MS = 10_000

/** Absolute paths. */
export interface Programs {
  /** berth-shim. */
  shim: string
  /** This one, which shims call to publish an event. */
  own: string
}

/** Serves until SIGTERM or SIGINT. Throws what keeps it from serving, an exception that nobody caught, and `not-found` where its root directory was removed; nothing is left open then. */
export async function runDaemon(settings: DaemonSettings, programs: Programs, log: Log): Promise<void> {
  const broken = watchStrayErrors(log, BROKEN_MS)
  const servers: GrpcServer[] = []
  const listCalls = () => servers.flatMap((server) => server.calls())
  dumpOnSignal({
    log: () => log,
    listCalls,
    path: () => join(tmpdir(), `containerd.${process.pid}.stacks.log`),
  })
  const stopped = untilSignal()
  log.info('starting containerd', { version: CONTAINERD_VERSION })
  await using undo = new UndoStack((error) => log.warn('stopping', { error: messageOf(error) }))
  const manager = connectServiceManager(openNativeKernel(), process.env, log)
  undo.defer(() => manager[Symbol.dispose]())
  await arrangeOwnProcess(settings, log)
  const metrics = await loadMetrics(settings)
  const containerd = undo.use(await open(settings, programs, metrics, log))
  const root = watchRoot(settings.root, log)
  undo.defer(() => root[Symbol.dispose]())
  const { ttrpc } = settings
  undo.use(await serveTtrpcAt(ttrpc.address, createForwardService(containerd.events), log, ttrpc))
  await serveAside(settings, { containerd, metrics, listCalls, log, undo })
  for (const server of await serveCalls(settings, containerd, metrics, log)) {
    undo.defer(() => server.close(GRACE_MS))
    servers.push(server)
  }
  manager.ready()
  log.info(`containerd successfully booted in ${(performance.now() / 1000).toFixed(6)}s`, {
    address: settings.grpc.address,
  })
  releaseStartPagesSoon()
  const ended = await Promise.race([stopped, broken, root.removed])
  manager.stopping()
  containerd.stopping()
  if (ended === 'removed') throw new Failure('not-found', `${settings.root} was removed: containerd ends`)
  if (typeof ended !== 'string') throw ended
  log.info('containerd stops', { signal: ended })
}

async function loadMetrics({ metrics }: DaemonSettings): Promise<Metrics | undefined> {
  if (metrics === undefined) return undefined
  const { Metrics } = await import('./metrics/metrics.ts')
  return new Metrics({ grpcHistogram: metrics.grpcHistogram })
}

async function open(
  settings: DaemonSettings,
  { shim, own }: Programs,
  metrics: Metrics | undefined,
  log: Log,
): Promise<Containerd> {
  const { openTasks } = await import('../open-tasks.ts')
  const { openSandboxes } = await import('../open-sandboxes.ts')
  const behaviour: ContainerdBehaviour = {
    ...{ collector: settings.collector, isContentShared: settings.isContentShared },
    ...{ overlay: settings.overlay, nativeRoot: settings.nativeRoot },
    disabledPlugins: settings.disabledPlugins,
    onCollected: (outcome) => metrics?.collected(outcome),
  }
  const { root, state, disabledPlugins } = settings
  mkdirSync(state, { recursive: true, mode: 0o711 })
  const hasTasks = !disabledPlugins.has('io.containerd.runtime.v2.task')
  const shimAccess = {
    ...{ ownRuntimes: settings.ownRuntimes, program: own, isDebug: settings.log.level === 'debug' },
    timeouts: settings.shimTimeouts,
    ...{ grpcAddress: resolve(settings.grpc.address), ttrpcAddress: resolve(settings.ttrpc.address) },
  }
  const containerd = await openContainerd({
    ...{ root, state, log, behaviour },
    openTasks: hasTasks ? (deps) => openTasks({ ...deps, shimPath: shim, shims: shimAccess }) : undefined,
    openSandboxes: (deps) => openSandboxes(deps, shimAccess),
  })
  for (const service of disabledServices(disabledPlugins)) containerd.router.remove(service)
  return containerd
}

/** What is there for people and not for clients. */
async function serveAside(
  { debug, metrics: address, hasTaskMetrics }: DaemonSettings,
  deps: {
    containerd: Containerd
    metrics: Metrics | undefined
    listCalls: () => ReturnType<GrpcServer['calls']>
    log: Log
    undo: UndoStack
  },
): Promise<void> {
  const { containerd, metrics, listCalls, log, undo } = deps
  if (debug !== undefined) {
    const { serveDebug } = await import('./debug/serve-debug.ts')
    undo.use(await serveDebug(debug, listCalls, log))
  }
  if (metrics === undefined || address === undefined) return
  const { serveMetrics } = await import('./metrics/serve-metrics.ts')
  undo.use(await serveMetrics(metrics, address, hasTaskMetrics ? containerd.router : undefined, log))
}

async function serveCalls(
  { grpc }: DaemonSettings,
  { router }: Containerd,
  metrics: Metrics | undefined,
  log: Log,
): Promise<GrpcServer[]> {
  const { address, uid, gid, receiveBytesMax, sendBytesMax, tcp } = grpc
  const options: GrpcServerOptions = {
    ...{ owner: { uid, gid }, receiveBytesMax, sendBytesMax, isWaiting },
    ...(metrics === undefined ? {} : { observer: metrics.calls }),
  }
  const servers: GrpcServer[] = []
  try {
    // Before the other one: who finds that looks for this.
    servers.push(await serveRouter(router, callsSocketOf(address), log, options))
    servers.push(await serveGrpc(router, address, log, options))
    if (tcp === undefined) return servers
    const { serveGrpcTcp } = await import('../../wire/grpc/serve-grpc-tcp.ts')
    servers.push(await serveGrpcTcp(router, tcp, log, options))
    return servers
  } catch (error) {
    for (const server of servers) await server.close(0)
    throw error
  }
}

function isWaiting(path: string): boolean {
  return /\/(?:Wait|Subscribe|Watch|Stream)$/.test(path)
}

function untilSignal(): Promise<string> {
  process.on('SIGHUP', () => {}) // the terminal that started us is none of our business
  process.on('SIGPIPE', () => {})
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
}
