// How the engine and the builder reach containerd: typed services over a unix socket or within the process.
import { Failure, isFailure } from '../../base/failure.ts'
import { Containers } from '../../gen/services/containers_pb.ts'
import { Content } from '../../gen/services/content_pb.ts'
import { Diff } from '../../gen/services/diff_pb.ts'
import { Events } from '../../gen/services/events_pb.ts'
import { Images } from '../../gen/services/images_pb.ts'
import { Introspection } from '../../gen/services/introspection_pb.ts'
import { Leases } from '../../gen/services/leases_pb.ts'
import { Namespaces } from '../../gen/services/namespaces_pb.ts'
import { Snapshots } from '../../gen/services/snapshots_pb.ts'
import { Tasks } from '../../gen/services/tasks_pb.ts'
import { Version } from '../../gen/services/version_pb.ts'
import { createMemoryTransport } from '../../wire/grpc/memory-transport.ts'
import type { GrpcRouter } from '../../wire/grpc/router.ts'
import type { Client } from '../../wire/grpc/service.ts'
import { createSocketTransport } from '../../wire/grpc/socket-transport.ts'
import { createClient, type GrpcTransport } from '../../wire/grpc/transport.ts'
import { preferTtrpc } from '../../wire/ttrpc/unary-transport.ts'
import { callsSocketOf } from './calls-socket.ts'

/** Calls reject with Failure; `unavailable` means that the daemon is not there (the next call connects again). */
export interface ContainerdClient {
  readonly namespace: string
  readonly version: Client<typeof Version>
  readonly introspection: Client<typeof Introspection>
  readonly namespaces: Client<typeof Namespaces>
  readonly content: Client<typeof Content>
  readonly images: Client<typeof Images>
  readonly snapshots: Client<typeof Snapshots>
  readonly diff: Client<typeof Diff>
  readonly containers: Client<typeof Containers>
  readonly tasks: Client<typeof Tasks>
  readonly events: Client<typeof Events>
  readonly leases: Client<typeof Leases>
  /** The content store's, as berth-containerd on this host tells of it; undefined for another one. Asked for once. */
  contentDirectory(): Promise<string | undefined>
  /** The same connection; what is created through the result belongs to the lease. Needs no close. */
  withLease(leaseId: string): ContainerdClient
  /** Ends the connection once the calls under way are over. Idempotent. */
  close(): void
}

/** Does not connect yet. Every call carries `namespace`. `patienceMs`: how long a call waits for a daemon that restarts. */
export function connectContainerd(options: {
  address: string
  namespace: string
  patienceMs?: number
}): ContainerdClient {
  const path = options.address.replace(/^unix:\/\//, '')
  return clientOver(
    preferTtrpc(callsSocketOf(path), createSocketTransport(path, options.patienceMs)),
    options.namespace,
  )
}

/** A client of a containerd in this process (`Containerd.router` of open-containerd.ts). */
export function embedContainerd(router: GrpcRouter, namespace: string): ContainerdClient {
  return clientOver(createMemoryTransport(router), namespace)
}

/** Which containerd a client has found. */
export interface ContainerdPeer {
  version: string
  /**
   * berth-containerd: it takes our URIs for standard streams (stdio-uri.ts), lays a finished layer on its parent at commit, and runs the built-in runtime
   * where a record names none.
   */
  isOwn: boolean
}

/** Resolves once the daemon answers; rejects with `unavailable` when `timeoutMs` is over first. */
export async function waitForContainerd(client: ContainerdClient, timeoutMs: number): Promise<ContainerdPeer> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      const { version } = await client.version.version({}, { timeoutMs: Math.max(1, deadline - performance.now()) })
      return { version, isOwn: version.endsWith(OWN_VERSION_SUFFIX) }
    } catch (error) {
      if (!isFailure(error, 'unavailable') || performance.now() > deadline)
        throw new Failure('unavailable', `containerd does not answer within ${timeoutMs} ms`, { cause: error })
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}

/** Of what berth-containerd answers; before it stands the version whose surface it serves. */
const OWN_VERSION_SUFFIX = '+berth'
const NAMESPACE_HEADER = 'containerd-namespace'
const LEASE_HEADER = 'containerd-lease'

function clientOver(
  transport: GrpcTransport,
  namespace: string,
  known: { directory?: Promise<string | undefined> } = {},
  leaseId?: string,
): ContainerdClient {
  const headers = { [NAMESPACE_HEADER]: namespace, ...(leaseId === undefined ? {} : { [LEASE_HEADER]: leaseId }) }
  const version = createClient(Version, transport, headers)
  const introspection = createClient(Introspection, transport, headers)
  return {
    namespace,
    version,
    introspection,
    namespaces: createClient(Namespaces, transport, headers),
    content: createClient(Content, transport, headers),
    images: createClient(Images, transport, headers),
    snapshots: createClient(Snapshots, transport, headers),
    diff: createClient(Diff, transport, headers),
    containers: createClient(Containers, transport, headers),
    tasks: createClient(Tasks, transport, headers),
    events: createClient(Events, transport, headers),
    leases: createClient(Leases, transport, headers),
    contentDirectory: () => {
      known.directory ??= findContentDirectory(version, introspection).catch((error) => {
        delete known.directory
        throw error
      })
      return known.directory
    },
    withLease: (id) => clientOver(transport, namespace, known, id),
    close: () => transport.close(),
  }
}

async function findContentDirectory(
  { version }: ContainerdClient['version'],
  { plugins }: ContainerdClient['introspection'],
): Promise<string | undefined> {
  const { version: text } = await version({})
  if (!text.endsWith(OWN_VERSION_SUFFIX)) return undefined
  const { plugins: found } = await plugins({ filters: ['type==io.containerd.content.v1'] })
  return found[0]?.exports['root']
}
