// containerd as a library: everything but the socket. bin/berth-containerd.ts serves it, an embedding program calls it in memory.
import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../base/log.ts'
import { UndoStack } from '../base/undo-stack.ts'
import { Containers } from '../gen/services/containers_pb.ts'
import { Content } from '../gen/services/content_pb.ts'
import { Diff } from '../gen/services/diff_pb.ts'
import { Events } from '../gen/services/events_pb.ts'
import { Health } from '../gen/grpc/health_pb.ts'
import { Images } from '../gen/services/images_pb.ts'
import { Introspection } from '../gen/services/introspection_pb.ts'
import { Leases } from '../gen/services/leases_pb.ts'
import { Namespaces } from '../gen/services/namespaces_pb.ts'
import { Controller as SandboxControl, Store as SandboxRecords } from '../gen/services/sandbox_pb.ts'
import { Snapshots } from '../gen/services/snapshots_pb.ts'
import { Streaming } from '../gen/services/streaming_pb.ts'
import { Tasks } from '../gen/services/tasks_pb.ts'
import { Transfer } from '../gen/services/transfer_pb.ts'
import { Version } from '../gen/services/version_pb.ts'
import { GrpcRouter } from '../wire/grpc/router.ts'
import type { ServiceHandlers } from '../wire/grpc/service.ts'
import { ContainerStore } from './containers/container-store.ts'
import { ContentStore } from './content/content-store.ts'
import { LayerWorkers } from './diff/layer-workers.ts'
import { EventExchange } from './events/event-exchange.ts'
import { openMetadata } from './fsck/open-metadata.ts'
import { collect } from './gc/collect.ts'
import { type CollectSchedule, CollectScheduler } from './gc/collect-scheduler.ts'
import { ImageStore } from './images/image-store.ts'
import { LeaseStore } from './leases/lease-store.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { lockRoot } from './lock-root.ts'
import type { MetadataStore } from './metadata/metadata-store.ts'
import { NamespaceStore } from './namespaces/namespace-store.ts'
import { SandboxStore } from './sandboxes/sandbox-store.ts'
import { createContainersService } from './services/containers.ts'
import { createContentService } from './services/content.ts'
import { Deprecations } from './services/deprecations.ts'
import { createDiffService } from './services/diff.ts'
import { createEventsService } from './services/events.ts'
import { createHealthService } from './services/health.ts'
import { createImagesService } from './services/images.ts'
import { createIntrospectionService } from './services/introspection.ts'
import { createLeasesService } from './services/leases.ts'
import { createNamespacesService } from './services/namespaces.ts'
import { createSandboxStoreService } from './services/sandbox-store.ts'
import { createSnapshotsService } from './services/snapshots.ts'
import { createStreamingService } from './services/streaming.ts'
import { createTransferService } from './services/transfer.ts'
import { createVersionService } from './services/version.ts'
import { DEFAULT_SNAPSHOTTER, openSnapshotters } from './snapshots/open-snapshotters.ts'
import { overlayCapabilities, type OverlaySettings } from './snapshots/overlay-snapshotter.ts'
import { NamedStreams } from './transfer/named-stream.ts'
import { Transfers } from './transfer/transfer.ts'
import { TreeThreads } from './trees/tree-threads.ts'

export interface ContainerdOptions {
  /** Content, metadata, snapshots; survives a reboot. */
  root: string
  /** Bundles and sockets of tasks; need not survive one. */
  state: string
  log: Log
  /** Undefined: a containerd for images only. */
  openTasks: OpenTasks | undefined
  /** Undefined: no sandboxes can be started. */
  openSandboxes?: (deps: TasksDeps) => Promise<ServiceHandlers<typeof SandboxControl>>
  /** Absent: containerd's defaults. */
  behaviour?: ContainerdBehaviour
}

/** What an administrator may choose; config/settings.ts reads it. */
export interface ContainerdBehaviour {
  collector: CollectSchedule
  overlay: OverlaySettings & { root: string | undefined }
  /** Of native snapshots; undefined: below the daemon's root. */
  nativeRoot: string | undefined
  /** A blob that one namespace has is had by another for the asking; otherwise each brings the bytes. */
  isContentShared: boolean
  /** URIs of plugins, which are not told of. */
  disabledPlugins: ReadonlySet<string>
  onCollected: CollectScheduler['onCollected']
}

export interface TasksDeps {
  /** The daemon's: bundles and whatever else tasks have lies below them. */
  root: string
  state: string
  containers: ContainerStore
  content: ContentStore
  workers: LayerWorkers
  events: EventExchange
  log: Log
}

/** Finds the tasks that run already and makes their service; open-tasks.ts. */
export type OpenTasks = (deps: TasksDeps) => Promise<ServiceHandlers<typeof Tasks>>

export interface Containerd extends AsyncDisposable {
  readonly router: GrpcRouter
  /** Where shims' events go. */
  readonly events: EventExchange
  /** Calls that end from now on are ended by the daemon, not by their clients. */
  stopping(): void
  /** Running tasks run on. Idempotent. */
  close(): Promise<void>
}

/** Throws `already-exists` where another process has `root`. */
export async function openContainerd(options: ContainerdOptions): Promise<Containerd> {
  const { root, state, log, behaviour } = options
  await using undo = new UndoStack((error) => log.warn('closing containerd', { error: String(error) }))
  const lock = lockRoot(openNativeKernel(), root)
  undo.defer(() => lock[Symbol.dispose]())
  mkdirSync(state, { recursive: true, mode: 0o711 })
  const metadata = await openMetadata(root, state, log)
  undo.defer(() => metadata.close())

  const events = new EventExchange()
  const namespaces = new NamespaceStore(metadata, events)
  const containers = new ContainerStore(metadata, namespaces, events)
  const images = new ImageStore(metadata, namespaces, events)
  const leases = new LeaseStore(metadata, namespaces)
  const sandboxes = new SandboxStore(metadata, namespaces)
  const isShared = behaviour?.isContentShared !== false
  const content = new ContentStore({ root: join(root, 'content'), metadata, namespaces, leases, events, isShared })
  const workers = new LayerWorkers()
  undo.defer(() => workers.close())
  const threads = new TreeThreads()
  undo.defer(() => threads.close())
  const snapshotters = openSnapshotters({
    ...{ root, state, metadata, log, threads },
    overlay: behaviour?.overlay ?? {},
    nativeRoot: behaviour?.nativeRoot,
  })
  const collector = new CollectScheduler(
    () => collect({ metadata, namespaces, containers, images, content, leases, sandboxes, snapshotters, log }),
    log,
    behaviour?.collector,
  )
  if (behaviour !== undefined) collector.onCollected = behaviour.onCollected
  metadata.onChange = () => collector.mutated()
  undo.defer(() => collector.close())
  const streams = new NamedStreams()
  const transfers = new Transfers(
    {
      content,
      images,
      leases,
      events,
      snapshotters,
      defaultSnapshotter: DEFAULT_SNAPSHOTTER,
      workers,
      collector,
      log,
    },
    streams,
  )
  undo.defer(() => transfers.leave())
  await transfers.dropOld()

  const isDisabled = (uri: string) => behaviour?.disabledPlugins.has(uri) === true
  const deprecations = new Deprecations()
  const router = new GrpcRouter()
    .service(Version, createVersionService())
    .service(
      Introspection,
      createIntrospectionService({
        ...{ root, deprecations, isDisabled },
        uuid: requireUuid(metadata),
        platform: hostPlatform(),
        snapshotters: new Map([
          [DEFAULT_SNAPSHOTTER, overlayCapabilities(behaviour?.overlay)],
          ['native', []],
        ]),
      }),
    )
    .service(Namespaces, createNamespacesService(namespaces))
    .service(Events, createEventsService(events))
    .service(Containers, createContainersService(containers, collector, deprecations))
    .service(Images, createImagesService(images, collector))
    .service(SandboxRecords, createSandboxStoreService(sandboxes, collector))
    .service(Leases, createLeasesService(leases, metadata, collector))
    .service(Content, createContentService(content, collector))
    .service(Streaming, createStreamingService(streams))
    .service(Transfer, createTransferService(transfers))
    .service(
      Snapshots,
      createSnapshotsService({
        snapshotters,
        defaultName: DEFAULT_SNAPSHOTTER,
        leases,
        namespaces,
        events,
        collector,
      }),
    )
    .service(Diff, createDiffService({ workers, threads, content }))
  const runs = { root, state, containers, content, workers, events, log }
  if (options.openTasks !== undefined) router.service(Tasks, await options.openTasks(runs))
  if (options.openSandboxes !== undefined) router.service(SandboxControl, await options.openSandboxes(runs))
  router.service(
    Health,
    createHealthService((service) => router.knows(service)),
  )
  if (!isDisabled('io.containerd.gc.v1.scheduler')) collector.start() // what a crash left

  const parts = undo.release()
  const close = (): Promise<void> => parts[Symbol.asyncDispose]()
  return { router, events, stopping: () => transfers.leave(), close, [Symbol.asyncDispose]: close }
}

export function hostPlatform(): { os: string; architecture: string } {
  const names: Record<string, string> = { x64: 'amd64', ia32: '386' }
  return { os: 'linux', architecture: names[process.arch] ?? process.arch }
}

function requireUuid(metadata: MetadataStore): string {
  const bucket = metadata.bucket<string>('server')
  const known = bucket.get('uuid')
  if (known !== undefined) return known
  const uuid = randomUUID()
  bucket.put('uuid', uuid)
  return uuid
}
