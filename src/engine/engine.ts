// The engine: what all nouns share. Built by open-engine.ts; every handler and every operation takes it as its first argument.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { ContainerdClient, ContainerdPeer } from '../containerd/client/client.ts'
import type { BoundedFiles } from '../linux/bounded-files.ts'
import type { Kernel } from '../linux/kernel.ts'
import type { NetnsStore, Network } from '../network/network.ts'
import type { EngineConfig } from './config.ts'
import type { ContainerStore } from './container/container-store.ts'
import type { StatsRounds } from './container/stats-rounds.ts'
import type { EventLog } from './events/event-log.ts'
import type { FilesThreads } from './files/files-threads.ts'
import type { ImageStore } from './image/image-store.ts'
import type { EngineMetrics } from './metrics/engine-metrics.ts'
import type { PluginRegistry } from './plugin/plugin-registry.ts'
import type { ContainerLogs } from './logs/container-logs.ts'
import type { ContainerStreams } from './streams/container-streams.ts'
import type { VolumeStore } from './volume/volume-store.ts'

export interface Engine {
  readonly id: string
  readonly config: EngineConfig
  readonly log: Log
  readonly clock: Clock
  readonly kernel: Kernel
  readonly containerd: ContainerdClient
  readonly peer: ContainerdPeer
  readonly streams: ContainerStreams
  readonly logs: ContainerLogs
  readonly containers: ContainerStore
  readonly images: ImageStore
  readonly volumes: VolumeStore
  readonly network: Network
  readonly netns: NetnsStore
  readonly events: EventLog
  readonly plugins: PluginRegistry
  readonly metrics: EngineMetrics
  readonly statsRounds: StatsRounds
  /**
   * `isEnding`: containers that stop now are stopped by the engine's end, not by a user. `isLeaving`: requests that end now are ended by it, not by their
   * clients.
   */
  readonly phase: { isEnding: boolean; isLeaving: boolean }
  /** See containers' files as the containers do. */
  readonly files: FilesThreads
  /** For what containers and the host's users may have mounted over. */
  readonly bounded: BoundedFiles
}
