// containerd.services.snapshots.v1
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { Failure, isFailure } from '../../base/failure.ts'
import { SnapshotCommitSchema, SnapshotPrepareSchema, SnapshotRemoveSchema } from '../../gen/events/snapshot_pb.ts'
import { type InfoSchema, Kind, type Snapshots } from '../../gen/services/snapshots_pb.ts'
import type { CallContext, ServiceHandlers } from '../../wire/grpc/service.ts'
import type { EventExchange } from '../events/event-exchange.ts'
import { lookupIn, parseFilters } from '../filters/parse-filter.ts'
import type { CollectScheduler } from '../gc/collect-scheduler.ts'
import type { LeaseStore } from '../leases/lease-store.ts'
import type { NamespaceStore } from '../namespaces/namespace-store.ts'
import type { Labels, Mount, SnapshotInfo, Snapshotter } from '../snapshots/snapshotter.ts'
import { leaseOf, namespaceOf } from './call-namespace.ts'

export interface SnapshotsServiceDeps {
  /** By the name that requests give. */
  snapshotters: ReadonlyMap<string, Snapshotter>
  /** The one that a request without a name means. */
  defaultName: string
  leases: LeaseStore
  namespaces: NamespaceStore
  events: EventExchange
  collector: CollectScheduler
}

const LIST_BATCH = 100
const KINDS = { view: Kind.VIEW, active: Kind.ACTIVE, committed: Kind.COMMITTED } as const

export function createSnapshotsService(deps: SnapshotsServiceDeps): ServiceHandlers<typeof Snapshots> {
  const find = (requested: string): { name: string; snapshotter: Snapshotter } => {
    const name = requested === '' ? deps.defaultName : requested
    const snapshotter = deps.snapshotters.get(name)
    if (snapshotter === undefined)
      throw new Failure('invalid-argument', `snapshotter not loaded: ${requested}: invalid argument`)
    return { name, snapshotter }
  }
  /** Under the lease before it exists: a collection in between must not take it. */
  const lease = (context: CallContext, namespace: string, name: string, key: string): void => {
    const id = leaseOf(context)
    if (id !== undefined) deps.leases.addResource(namespace, id, { type: `snapshots/${name}`, id: key })
  }
  const make = async (
    kind: 'prepare' | 'view',
    request: { snapshotter: string; key: string; parent: string; labels: Labels },
    context: CallContext,
  ): Promise<{ mounts: Mount[] }> => {
    const { name, snapshotter } = find(request.snapshotter)
    const { key, parent, labels } = request
    const namespace = namespaceOf(context)
    deps.namespaces.ensure(namespace)
    const target = labels[SNAPSHOT_REF]
    if (target !== undefined && target !== '')
      await refuseExisting(snapshotter, namespace, target, () => lease(context, namespace, name, target))
    lease(context, namespace, name, key)
    const mounts = await snapshotter[kind](namespace, key, parent, labels)
    deps.events.publish(namespace, '/snapshot/prepare', SnapshotPrepareSchema, { key, parent, snapshotter: name })
    return { mounts }
  }
  return {
    prepare: (request, context) => make('prepare', request, context),
    view: (request, context) => make('view', request, context),
    async mounts({ snapshotter: requested, key }, context) {
      return { mounts: await find(requested).snapshotter.mounts(namespaceOf(context), key) }
    },
    async commit({ snapshotter: requested, name, key, labels, parent }, context) {
      const { name: snapshotterName, snapshotter } = find(requested)
      const namespace = namespaceOf(context)
      lease(context, namespace, snapshotterName, name)
      await snapshotter.commit(namespace, name, key, { labels, parent })
      const event = { key, name, snapshotter: snapshotterName }
      deps.events.publish(namespace, '/snapshot/commit', SnapshotCommitSchema, event)
      return {}
    },
    async remove({ snapshotter: requested, key }, context) {
      const { name, snapshotter } = find(requested)
      const namespace = namespaceOf(context)
      await snapshotter.remove(namespace, key)
      deps.events.publish(namespace, '/snapshot/remove', SnapshotRemoveSchema, { key, snapshotter: name })
      deps.collector.schedule()
      return {}
    },
    async stat({ snapshotter: requested, key }, context) {
      return { info: toMessage(await find(requested).snapshotter.stat(namespaceOf(context), key)) }
    },
    async update({ snapshotter: requested, info, updateMask }, context) {
      const { snapshotter } = find(requested)
      if (info === undefined) throw new Failure('invalid-argument', 'info is required: invalid argument')
      return { info: toMessage(await snapshotter.update(namespaceOf(context), info, updateMask?.paths ?? [])) }
    },
    async *list({ snapshotter: requested, filters }, context) {
      const { snapshotter } = find(requested)
      const matches = parseFilters(filters)
      const infos = (await snapshotter.list(namespaceOf(context))).filter(({ name, parent, kind, labels }) =>
        matches(lookupIn({ name, parent, kind }, labels)),
      )
      for (let at = 0; at < infos.length; at += LIST_BATCH)
        yield { info: infos.slice(at, at + LIST_BATCH).map(toMessage) }
    },
    async usage({ snapshotter: requested, key }, context) {
      const { sizeBytes, inodes } = await find(requested).snapshotter.usage(namespaceOf(context), key)
      return { size: BigInt(sizeBytes), inodes: BigInt(inodes) }
    },
    async cleanup({ snapshotter: requested }) {
      await find(requested).snapshotter.cleanup()
      return {}
    },
  }
}

/** A client that unpacks names the snapshot that shall come of it, and is spared the work where it is there already. */
const SNAPSHOT_REF = 'containerd.io/snapshot.ref'

async function refuseExisting(
  snapshotter: Snapshotter,
  namespace: string,
  target: string,
  keep: () => void,
): Promise<void> {
  try {
    await snapshotter.stat(namespace, target)
  } catch (error) {
    if (isFailure(error, 'not-found')) return
    throw error
  }
  keep()
  throw new Failure('already-exists', `target snapshot ${JSON.stringify(target)}: already exists`)
}

function toMessage(info: SnapshotInfo): MessageInitShape<typeof InfoSchema> {
  return {
    name: info.name,
    parent: info.parent,
    kind: KINDS[info.kind],
    createdAt: timestampFromMs(info.createdAtMs),
    updatedAt: timestampFromMs(info.updatedAtMs),
    labels: info.labels,
  }
}
