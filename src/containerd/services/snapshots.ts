// containerd.services.snapshots.v1
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { Failure } from '../../base/failure.ts'
import { SnapshotCommitSchema, SnapshotPrepareSchema, SnapshotRemoveSchema } from '../../gen/events/snapshot_pb.ts'
import { type InfoSchema, Kind, type Snapshots } from '../../gen/services/snapshots_pb.ts'
import type { CallContext, ServiceHandlers } from '../../wire/grpc/service.ts'
import type { EventExchange } from '../events/event-exchange.ts'
import { lookupIn, parseFilters } from '../filters/parse-filter.ts'
import type { CollectScheduler } from '../gc/collect-scheduler.ts'
import type { LeaseStore } from '../leases/lease-store.ts'
import type { NamespaceStore } from '../namespaces/namespace-store.ts'
import type { SnapshotInfo, Snapshotter } from '../snapshots/snapshotter.ts'
import { leaseOf, namespaceOf } from './call-namespace.ts'

export interface SnapshotsServiceDeps {
  snapshotter: Snapshotter
  /** The one that requests must name, or leave empty. */
  name: string
  leases: LeaseStore
  namespaces: NamespaceStore
  events: EventExchange
  collector: CollectScheduler
}

const LIST_BATCH = 100
const KINDS = { view: Kind.VIEW, active: Kind.ACTIVE, committed: Kind.COMMITTED } as const

export function createSnapshotsService(deps: SnapshotsServiceDeps): ServiceHandlers<typeof Snapshots> {
  const { snapshotter, name: snapshotterName } = deps
  const check = (requested: string): void => {
    if (requested !== snapshotterName && requested !== '')
      throw new Failure('invalid-argument', `snapshotter not loaded: ${requested}: invalid argument`)
  }
  /** Under the lease before it exists: a collection in between must not take it. */
  const lease = (context: CallContext, namespace: string, key: string): void => {
    const id = leaseOf(context)
    if (id !== undefined) deps.leases.addResource(namespace, id, { type: `snapshots/${snapshotterName}`, id: key })
  }
  const made = (namespace: string, key: string, parent: string): void =>
    deps.events.publish(namespace, '/snapshot/prepare', SnapshotPrepareSchema, {
      key,
      parent,
      snapshotter: snapshotterName,
    })
  return {
    async prepare({ snapshotter: requested, key, parent, labels }, context) {
      check(requested)
      const namespace = namespaceOf(context)
      deps.namespaces.ensure(namespace)
      lease(context, namespace, key)
      const mounts = await snapshotter.prepare(namespace, key, parent, labels)
      made(namespace, key, parent)
      return { mounts }
    },
    async view({ snapshotter: requested, key, parent, labels }, context) {
      check(requested)
      const namespace = namespaceOf(context)
      deps.namespaces.ensure(namespace)
      lease(context, namespace, key)
      const mounts = await snapshotter.view(namespace, key, parent, labels)
      made(namespace, key, parent)
      return { mounts }
    },
    async mounts({ snapshotter: requested, key }, context) {
      check(requested)
      return { mounts: await snapshotter.mounts(namespaceOf(context), key) }
    },
    async commit({ snapshotter: requested, name, key, labels, parent }, context) {
      check(requested)
      const namespace = namespaceOf(context)
      lease(context, namespace, name)
      await snapshotter.commit(namespace, name, key, { labels, parent })
      deps.events.publish(namespace, '/snapshot/commit', SnapshotCommitSchema, {
        key,
        name,
        snapshotter: snapshotterName,
      })
      return {}
    },
    async remove({ snapshotter: requested, key }, context) {
      check(requested)
      const namespace = namespaceOf(context)
      await snapshotter.remove(namespace, key)
      deps.events.publish(namespace, '/snapshot/remove', SnapshotRemoveSchema, { key, snapshotter: snapshotterName })
      deps.collector.schedule()
      return {}
    },
    async stat({ snapshotter: requested, key }, context) {
      check(requested)
      return { info: toMessage(await snapshotter.stat(namespaceOf(context), key)) }
    },
    async update({ snapshotter: requested, info, updateMask }, context) {
      check(requested)
      if (info === undefined) throw new Failure('invalid-argument', 'info is required: invalid argument')
      return { info: toMessage(await snapshotter.update(namespaceOf(context), info, updateMask?.paths ?? [])) }
    },
    async *list({ snapshotter: requested, filters }, context) {
      check(requested)
      const matches = parseFilters(filters)
      const infos = (await snapshotter.list(namespaceOf(context))).filter(({ name, parent, kind, labels }) =>
        matches(lookupIn({ name, parent, kind }, labels)),
      )
      for (let at = 0; at < infos.length; at += LIST_BATCH)
        yield { info: infos.slice(at, at + LIST_BATCH).map(toMessage) }
    },
    async usage({ snapshotter: requested, key }, context) {
      check(requested)
      const { sizeBytes, inodes } = await snapshotter.usage(namespaceOf(context), key)
      return { size: BigInt(sizeBytes), inodes: BigInt(inodes) }
    },
    async cleanup({ snapshotter: requested }) {
      check(requested)
      await snapshotter.cleanup()
      return {}
    },
  }
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
