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
import { Images } from '../gen/services/images_pb.ts'
import { Introspection } from '../gen/services/introspection_pb.ts'
import { Leases } from '../gen/services/leases_pb.ts'
import { Namespaces } from '../gen/services/namespaces_pb.ts'
import { Snapshots } from '../gen/services/snapshots_pb.ts'
import { Tasks } from '../gen/services/tasks_pb.ts'
import { Version } from '../gen/services/version_pb.ts'
import { GrpcRouter } from '../wire/grpc/router.ts'
import type { ServiceHandlers } from '../wire/grpc/service.ts'
import { ContainerStore } from './containers/container-store.ts'
import { ContentStore } from './content/content-store.ts'
import { LayerWorkers } from './diff/layer-workers.ts'
import { EventExchange } from './events/event-exchange.ts'
import { openMetadata } from './fsck/open-metadata.ts'
import { collect } from './gc/collect.ts'
import { CollectScheduler } from './gc/collect-scheduler.ts'
import { ImageStore } from './images/image-store.ts'
import { LeaseStore } from './leases/lease-store.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { lockRoot } from './lock-root.ts'
import type { MetadataStore } from './metadata/metadata-store.ts'
import { NamespaceStore } from './namespaces/namespace-store.ts'
import { createContainersService } from './services/containers.ts'
import { createContentService } from './services/content.ts'
import { createDiffService } from './services/diff.ts'
import { createEventsService } from './services/events.ts'
import { createImagesService } from './services/images.ts'
import { createIntrospectionService } from './services/introspection.ts'
import { createLeasesService } from './services/leases.ts'
import { createNamespacesService } from './services/namespaces.ts'
import { createSnapshotsService } from './services/snapshots.ts'
import { createVersionService } from './services/version.ts'
import { DEFAULT_SNAPSHOTTER, openSnapshotters } from './snapshots/open-snapshotters.ts'
import { overlayCapabilities, type OverlaySettings } from './snapshots/overlay-snapshotter.ts'
import { TreeThreads } from './trees/tree-threads.ts'

export interface ContainerdOptions {
  /** Content, metadata, snapshots; survives a reboot. */
  root: string
  /** Bundles and sockets of tasks; need not survive one. */
  state: string
  log: Log
  /** Absent: containerd's defaults. */
  overlay?: OverlaySettings
  /** Undefined: a containerd for images only. */
  openTasks: OpenTasks | undefined
}

export interface TasksDeps {
  /** Where bundles live. */
  directory: string
  containers: ContainerStore
  events: EventExchange
  log: Log
}

/** Finds the tasks that run already and makes their service; open-tasks.ts. */
export type OpenTasks = (deps: TasksDeps) => Promise<ServiceHandlers<typeof Tasks>>

export interface Containerd extends AsyncDisposable {
  readonly router: GrpcRouter
  /** Running tasks run on. Idempotent. */
  close(): Promise<void>
}

/** Throws `already-exists` where another process has `root`. */
export async function openContainerd(options: ContainerdOptions): Promise<Containerd> {
  const { root, state, log } = options
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
  const content = new ContentStore({ root: join(root, 'content'), metadata, namespaces, leases, events })
  const workers = new LayerWorkers()
  undo.defer(() => workers.close())
  const threads = new TreeThreads()
  undo.defer(() => threads.close())
  const snapshotters = openSnapshotters({ root, state, metadata, log, threads, settings: options.overlay ?? {} })
  const collector = new CollectScheduler(
    () => collect({ metadata, namespaces, containers, images, content, leases, snapshotters, log }),
    log,
  )
  undo.defer(() => collector.close())

  const router = new GrpcRouter()
    .service(Version, createVersionService())
    .service(
      Introspection,
      createIntrospectionService({
        uuid: requireUuid(metadata),
        platform: hostPlatform(),
        snapshotters: new Map([
          [DEFAULT_SNAPSHOTTER, overlayCapabilities(options.overlay)],
          ['native', []],
        ]),
      }),
    )
    .service(Namespaces, createNamespacesService(namespaces))
    .service(Events, createEventsService(events))
    .service(Containers, createContainersService(containers, collector))
    .service(Images, createImagesService(images, collector))
    .service(Leases, createLeasesService(leases, collector))
    .service(Content, createContentService(content, collector))
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
  if (options.openTasks !== undefined)
    router.service(Tasks, await options.openTasks({ directory: join(state, 'tasks'), containers, events, log }))
  collector.schedule() // what a crash left

  const parts = undo.release()
  const close = (): Promise<void> => parts[Symbol.asyncDispose]()
  return { router, close, [Symbol.asyncDispose]: close }
}

function hostPlatform(): { os: string; architecture: string } {
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
