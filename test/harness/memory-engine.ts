// An engine with everything below it in memory: its verbs are the real ones, and so are its records on disk.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { silentLog } from '../../src/base/log.ts'
import { ContainerStore } from '../../src/engine/container/container-store.ts'
import { reconcileContainers } from '../../src/engine/container/reconcile.ts'
import { StatsRounds } from '../../src/engine/container/stats-rounds.ts'
import { EngineMetrics } from '../../src/engine/metrics/engine-metrics.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { EventLog } from '../../src/engine/events/event-log.ts'
import { FilesThreads } from '../../src/engine/files/files-threads.ts'
import type { Image, ImageStore } from '../../src/engine/image/image-store.ts'
import { loadConfig } from '../../src/engine/load-config.ts'
import { ContainerLogs } from '../../src/engine/logs/container-logs.ts'
import { openPluginRegistry } from '../../src/engine/plugin/plugin-registry.ts'
import type { ContainerStreams } from '../../src/engine/streams/container-streams.ts'
import { openFileSystemMounter } from '../../src/engine/volume/mount-file-system.ts'
import { openPluginDrivers } from '../../src/engine/volume/plugin-driver.ts'
import { VolumeStore } from '../../src/engine/volume/volume-store.ts'
import { BoundedFiles } from '../../src/linux/bounded-files.ts'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import { openRecordingKernel } from '../../src/linux/recording-kernel.ts'
import type { Endpoint, NetnsStore, Network } from '../../src/network/network.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import type { ManualClock } from './manual-clock.ts'
import type { MemoryContainerd } from './memory-containerd.ts'

/** What outlives an engine, like the kernel's part of a machine. */
export interface MemoryMachine {
  containerd: MemoryContainerd
  clock: ManualClock
  directory: string
  endpoints: Map<string, Endpoint>
  netns: Set<string>
}

/** Resolves when it has put in order what an earlier one left. Closing its ContainerStore ends it. */
export async function openMemoryEngine(machine: MemoryMachine): Promise<Engine> {
  const { clock, directory, containerd } = machine
  const configFile = join(directory, 'daemon.json')
  mkdirSync(directory, { recursive: true })
  writeFileSync(configFile, '{}')
  const roots = ['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'exec')]
  const { config } = loadConfig([...roots, '--config-file', configFile], {})
  mkdirSync(join(config.dataRoot, 'containers'), { recursive: true })
  const { kernel } = openRecordingKernel()
  const plugins = openPluginRegistry({
    ...{ clock, log: silentLog },
    directories: { sockets: join(directory, 'none'), specs: [] },
  })
  const volumes = { directory: join(config.dataRoot, 'volumes'), clock, log: silentLog }
  const engine: Engine = {
    id: 'memory',
    config,
    log: silentLog,
    clock,
    kernel,
    bounded: new BoundedFiles(openNativeKernel(), undefined),
    containerd: containerd.client,
    peer: { version: 'memory', isOwn: true },
    streams: NO_STREAMS,
    containers: ContainerStore.open(join(config.dataRoot, 'containers'), silentLog),
    images: imagesOf(),
    logs: new ContainerLogs({ kernel, clock, log: silentLog }),
    volumes: VolumeStore.open({
      ...volumes,
      mounter: openFileSystemMounter(kernel),
      others: openPluginDrivers(plugins),
    }),
    files: new FilesThreads(),
    network: networkOf(machine),
    netns: netnsOf(machine),
    events: new EventLog(clock),
    plugins,
    metrics: new EngineMetrics(),
    statsRounds: new StatsRounds(clock),
    phase: { isEnding: false, isLeaving: false },
  }
  await reconcileContainers(engine)
  return engine
}

const STDIO = { stdin: '', stdout: '', stderr: '' }
const NO_STREAMS: ContainerStreams = {
  open: async () => STDIO,
  starting: async () => {},
  openExec: async () => STDIO,
  connect: () => Promise.reject(new Error('nothing is attached to')),
  reach: () => Promise.reject(new Error('nothing is attached to')),
  drained: async () => {},
  closeExec: async () => {},
  close: async () => {},
  adopt: async () => {},
  sweep: async () => {},
}

function imagesOf(): ImageStore {
  const digest = parseDigest(`sha256:${'1'.repeat(64)}`)
  const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1 }
  const image: Image = {
    id: digest,
    config: {
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['work'] },
      rootfs: { type: 'layers', diff_ids: [] },
      history: [],
    },
    chainId: undefined,
    chainIds: [],
    target: descriptor,
    manifest: descriptor,
    configDescriptor: descriptor,
    layers: [],
    contents: new Map(),
    recordNames: [],
    repoTags: ['image:latest'],
    repoDigests: [],
    taggedAtMs: 0,
  }
  return {
    require: async () => image,
    find: async () => image,
    list: async () => [image],
    sizeBytes: async () => 0,
    layerSizeBytes: async () => undefined,
    tag: async () => {},
    repack: async () => {},
    choose: async () => {},
    untag: async () => {},
  }
}

function networkOf({ endpoints }: MemoryMachine): Network {
  const description = { id: '2'.repeat(64), name: 'bridge', bridge: 'br', subnet: '10.0.0.0/8', gateway: '10.0.0.1' }
  const createdAt = '2026-01-01T00:00:00Z'
  return {
    createdAt,
    describe: () => ({ ...description, createdAt }),
    async attach({ key }) {
      const endpoint: Endpoint = {
        ...{ key, endpointId: key, interfaceName: 'eth0', hostInterface: `veth${key.slice(0, 7)}` },
        ...{ address: '10.0.0.2', prefixLength: 8, gateway: '10.0.0.1', macAddress: '02:42:0a:00:00:02', ports: [] },
      }
      endpoints.set(key, endpoint)
      return endpoint
    },
    async detach(key) {
      endpoints.delete(key)
    },
    endpoints: () => [...endpoints.values()],
    setPassages: () => {},
    async reconcile(live) {
      for (const key of endpoints.keys()) if (!live.has(key)) endpoints.delete(key)
    },
    close: async () => {},
    destroy: async () => {},
  }
}

function netnsOf({ netns }: MemoryMachine): NetnsStore {
  return {
    async create(path) {
      netns.add(path)
    },
    async adopt(path) {
      netns.add(path)
    },
    async remove(path) {
      netns.delete(path)
    },
    close() {},
  }
}
