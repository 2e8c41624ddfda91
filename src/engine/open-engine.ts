// Builds the engine out of its parts, in the order in which they need each other.
import { randomUUID } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readTextIfExists, replaceFileSync } from '../base/atomic-file.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import type { ListCalls } from '../base/debug/dump-state.ts'
import { messageOf } from '../base/failure.ts'
import type { Log } from '../base/log.ts'
import { type ContainerdClient, type ContainerdPeer, waitForContainerd } from '../containerd/client/client.ts'
import type { Kernel } from '../linux/kernel.ts'
import { BoundedFiles } from '../linux/bounded-files.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { openBridgeNetwork } from '../network/bridge-network.ts'
import { NO_BRIDGE, openWithoutBridge } from '../network/no-bridge.ts'
import { openNetnsStore } from '../network/netns-store.ts'
import type { NetworkOptions } from '../network/network.ts'
import { emptyPruneHandlers } from './absent/empty-prunes.ts'
import { managedPluginHandlers } from './absent/managed-plugins.ts'
import { swarmHandlers } from './absent/swarm.ts'
import { requireAuthorizationPlugins } from './authz/require-plugins.ts'
import type { EngineConfig } from './config.ts'
import { checkpointHandlers } from './checkpoint/handlers.ts'
import { ContainerStore } from './container/container-store.ts'
import { StatsRounds } from './container/stats-rounds.ts'
import { containerHandlers } from './container/handlers.ts'
import { restoreLinks } from './container/links/register-links.ts'
import { reconcileContainers } from './container/reconcile.ts'
import type { Engine } from './engine.ts'
import { EventJournal } from './events/event-journal.ts'
import { EventLog } from './events/event-log.ts'
import { execHandlers } from './exec/handlers.ts'
import { FilesThreads } from './files/files-threads.ts'
import { fileHandlers } from './files/handlers.ts'
import type { Handlers } from './http/route.ts'
import { openImageStore } from './image/containerd-image-store.ts'
import { imageHandlers } from './image/handlers.ts'
import { registryHandlers } from './registry/serve-images.ts'
import { transferHandlers } from './transfer/receive-image.ts'
import { dropOldLeases } from './image/drop-old-leases.ts'
import { instanceOf } from './instance.ts'
import { leaveKernel } from './leave-kernel.ts'
import { networkHandlers } from './network/handlers.ts'
import { debugHandlers } from './debug/handlers.ts'
import { EngineMetrics } from './metrics/engine-metrics.ts'
import { holdAnswers } from './events/hold-answers.ts'
import { type ObservedHandlers, observeHandlers } from './metrics/observe-handlers.ts'
import { DOCKER_DIRECTORIES } from './plugin/plugin-place.ts'
import { openPluginRegistry, type PluginRegistry } from './plugin/plugin-registry.ts'
import { ContainerLogs } from './logs/container-logs.ts'
import type { ContainerStreams } from './streams/container-streams.ts'
import type { FifoStreamsDeps } from './streams/fifo-streams.ts'
import { openShimStreams } from './streams/shim-streams.ts'
import { systemHandlers } from './system/handlers.ts'
import { volumeHandlers } from './volume/handlers.ts'
import { mappedRoot } from './userns/id-map.ts'
import { openFileSystemMounter } from './volume/mount-file-system.ts'
import { openPluginDrivers } from './volume/plugin-driver.ts'
import { VolumeStore } from './volume/volume-store.ts'

const CONTAINERD_START_MS = 15_000

export interface OpenEngine {
  readonly engine: Engine
  readonly handlers: Handlers
  /** The requests under way. */
  readonly listCalls: ListCalls
  /** Lets go of everything in this process. Running containers stay as they are, and with them their network. */
  close(): Promise<void>
}

/** Resolves when what an earlier engine left has been put in order, and requests may come. Throws Failure; closes what it opened then. */
export async function openEngine(options: {
  config: EngineConfig
  containerd: ContainerdClient
  log: Log
  clock?: Clock
  /** Of berth-shim, for streams through a containerd that is not ours, and for what a daemon must not look at itself. */
  shimPath?: string | undefined
}): Promise<OpenEngine> {
  const { config, containerd, log, clock = systemClock, shimPath } = options
  mkdirSync(config.dataRoot, { recursive: true, mode: 0o710 })
  // One that was there may be wider: what containers write must not be reached, set-user-ID programs above all (CVE-2021-41091).
  chmodSync(config.dataRoot, 0o710)
  // The host's root owns it: containers' root, whoever it is on the host, must not change what is in there (CVE-2021-21284).
  if (config.idMap !== undefined) chownSync(config.dataRoot, 0, mappedRoot(config.idMap).gid)
  mkdirSync(config.execRoot, { recursive: true, mode: 0o711 })
  const kernel = openNativeKernel()
  const open = config.bridge === NO_BRIDGE ? openWithoutBridge : openBridgeNetwork
  const network = await open(kernel, log, networkOptions(config))
  try {
    const peer = await waitForContainerd(containerd, CONTAINERD_START_MS)
    const images = openImageStore(containerd, log, clock)
    const plugins = openPluginRegistry({ directories: DOCKER_DIRECTORIES, clock, log })
    const engine: Engine = {
      id: loadEngineId(config.dataRoot),
      config,
      log,
      clock,
      kernel,
      containerd,
      peer,
      streams: await openStreams({ config, containerd, kernel, clock, log, shimPath }, peer),
      logs: new ContainerLogs({ kernel, clock, log }),
      containers: ContainerStore.open(join(config.dataRoot, 'containers'), log),
      images,
      volumes: openVolumes(config, kernel, plugins, clock, log),
      network,
      netns: openNetnsStore(kernel),
      events: new EventLog(clock, openJournal(config, log)),
      plugins,
      metrics: new EngineMetrics(),
      statsRounds: new StatsRounds(clock),
      phase: { isEnding: false, isLeaving: false },
      files: new FilesThreads(),
      bounded: new BoundedFiles(kernel, shimPath),
    }
    await requireAuthorizationPlugins(engine.plugins, config.authorizationPlugins)
    restoreLinks(engine)
    await Promise.all([reconcileContainers(engine), dropOldLeases(engine)])
    const close = async () => {
      images.close()
      await engine.logs.close()
      await engine.files.close()
      await engine.containers.close()
      engine.events.close()
      await leaveKernel(engine)
    }
    return { engine, ...allHandlers(engine), close }
  } catch (error) {
    await network.close()
    throw error
  }
}

function allHandlers(engine: Engine): ObservedHandlers {
  const nouns: Handlers = {
    ...systemHandlers(engine),
    ...swarmHandlers(engine),
    ...managedPluginHandlers,
    ...emptyPruneHandlers(engine),
    ...imageHandlers(engine),
    ...registryHandlers(engine),
    ...transferHandlers(engine),
    ...networkHandlers(engine),
    ...volumeHandlers(engine),
    ...containerHandlers(engine),
    ...checkpointHandlers(engine),
    ...execHandlers(engine),
    ...fileHandlers(engine),
  }
  const observed = observeHandlers(holdAnswers(nouns, engine.events), engine.metrics)
  return { ...observed, handlers: { ...observed.handlers, ...debugHandlers(observed.listCalls) } }
}

/** What only a foreign containerd needs is loaded only then. */
async function openStreams(deps: FifoStreamsDeps, peer: ContainerdPeer): Promise<ContainerStreams> {
  if (peer.isOwn) return openShimStreams(deps.config)
  const { FifoStreams } = await import('./streams/fifo-streams.ts')
  return new FifoStreams(deps)
}

function openVolumes(
  { dataRoot, idMap }: EngineConfig,
  kernel: Kernel,
  plugins: PluginRegistry,
  clock: Clock,
  log: Log,
): VolumeStore {
  return VolumeStore.open({
    directory: join(dataRoot, 'volumes'),
    dataOwner: idMap && mappedRoot(idMap),
    mounter: openFileSystemMounter(kernel),
    others: openPluginDrivers(plugins),
    clock,
    log,
  })
}

/** Undefined: the past is lost, and the engine works without one. */
function openJournal(config: EngineConfig, log: Log): EventJournal | undefined {
  try {
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return EventJournal.open({ directory: join(config.dataRoot, 'events'), log, bootId })
  } catch (error) {
    log.error('events can not be kept', { error: messageOf(error) })
    return undefined
  }
}

function networkOptions(config: EngineConfig): NetworkOptions {
  return {
    stateDirectory: join(config.dataRoot, 'network'),
    bridge: config.bridge,
    bip: config.bip,
    instance: instanceOf(config.dataRoot),
    mtu: config.mtu,
    iptables: config.iptables,
    ipForward: config.ipForward,
    ipMasq: config.ipMasq,
    interContainerCommunication: config.interContainerCommunication,
    defaultPublishAddress: config.defaultPublishAddress,
  }
}

/** Stays the same as long as the data root does. */
function loadEngineId(dataRoot: string): string {
  const path = join(dataRoot, 'engine-id')
  const known = readTextIfExists(path)?.trim()
  if (known) return known
  const id = randomUUID()
  replaceFileSync(path, id)
  return id
}
