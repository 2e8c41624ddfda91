// Content and leases of berth-containerd in this process, on a directory: what a pull needs, without a daemon.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../src/base/log.ts'
import { type ContainerdClient, embedContainerd } from '../../src/containerd/client/client.ts'
import { ContentStore } from '../../src/containerd/content/content-store.ts'
import { EventExchange } from '../../src/containerd/events/event-exchange.ts'
import { CollectScheduler } from '../../src/containerd/gc/collect-scheduler.ts'
import { collect } from '../../src/containerd/gc/collect.ts'
import { ContainerStore } from '../../src/containerd/containers/container-store.ts'
import { ImageStore } from '../../src/containerd/images/image-store.ts'
import { LeaseStore } from '../../src/containerd/leases/lease-store.ts'
import { MetadataStore } from '../../src/containerd/metadata/metadata-store.ts'
import { NamespaceStore } from '../../src/containerd/namespaces/namespace-store.ts'
import { SandboxStore } from '../../src/containerd/sandboxes/sandbox-store.ts'
import { createContentService } from '../../src/containerd/services/content.ts'
import { createLeasesService } from '../../src/containerd/services/leases.ts'
import { createVersionService } from '../../src/containerd/services/version.ts'
import { Content } from '../../src/gen/services/content_pb.ts'
import { Introspection } from '../../src/gen/services/introspection_pb.ts'
import { Leases } from '../../src/gen/services/leases_pb.ts'
import { Version } from '../../src/gen/services/version_pb.ts'
import { GrpcRouter } from '../../src/wire/grpc/router.ts'

export interface ContentServices extends AsyncDisposable {
  root: string
  /** Of namespace `moby`. */
  client: ContainerdClient
  content: ContentStore
  leases: LeaseStore
  images: ImageStore
  events: EventExchange
  collector: CollectScheduler
  /** A process that was killed, and the next one on the same directory: locks are gone, files and records are not. */
  restart(): void
}

/** @param isVisible the client is told where the store is, as one on the same host. */
export async function openContentServices({ isVisible = true } = {}): Promise<ContentServices> {
  const root = mkdtempSync(join(tmpdir(), 'berth-content-'))
  const metadata = await MetadataStore.open(join(root, 'meta'))
  const events = new EventExchange()
  const namespaces = new NamespaceStore(metadata, events)
  const leases = new LeaseStore(metadata, namespaces)
  const images = new ImageStore(metadata, namespaces, events)
  const containers = new ContainerStore(metadata, namespaces, events)
  const sandboxes = new SandboxStore(metadata, namespaces)
  const collector = new CollectScheduler(async () => {
    const { content } = services
    const snapshotters = new Map()
    await collect({
      metadata,
      namespaces,
      containers,
      images,
      content,
      leases,
      sandboxes,
      snapshotters,
      log: silentLog,
    })
  }, silentLog)
  const openContent = () => new ContentStore({ root, metadata, namespaces, leases, events })
  const openClient = (content: ContentStore) =>
    embedContainerd(
      new GrpcRouter()
        .service(Content, createContentService(content, collector))
        .service(Leases, createLeasesService(leases, metadata, collector))
        .service(Version, createVersionService())
        .service(Introspection, { plugins: () => ({ plugins: isVisible ? [{ exports: { root } }] : [] }) }),
      'moby',
    )
  const content = openContent()
  const services: ContentServices = {
    ...{ root, content, leases, images, events, collector, client: openClient(content) },
    restart() {
      services.content = openContent()
      services.client = openClient(services.content)
    },
    async [Symbol.asyncDispose]() {
      await collector.close()
      await metadata.close()
      rmSync(root, { recursive: true })
    },
  }
  return services
}
