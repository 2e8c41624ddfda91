// A snapshotter without directories, for tests of what stands above it.
import { Failure } from '../../base/failure.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { infoOf, SnapshotRecords } from './snapshot-records.ts'
import type { Labels, Mount, Snapshotter } from './snapshotter.ts'

/** Its mounts name directories under `/memory` that do not exist. */
export function createMemorySnapshotter(store: MetadataStore): Snapshotter {
  const records = new SnapshotRecords(store, Date.now)
  const path = (id: number) => `/memory/${id}`
  const mountsOf = (kind: 'active' | 'view', id: number, parentIds: readonly number[]): Mount[] => {
    const lowers = parentIds.map(path)
    if (kind === 'active' && lowers.length > 0) {
      const options = [`workdir=${path(id)}-work`, `upperdir=${path(id)}`, `lowerdir=${lowers.join(':')}`]
      return [{ type: 'overlay', source: 'overlay', options }]
    }
    if (lowers.length > 1) return [{ type: 'overlay', source: 'overlay', options: [`lowerdir=${lowers.join(':')}`] }]
    return [{ type: 'bind', source: lowers[0] ?? path(id), options: [kind === 'view' ? 'ro' : 'rw', 'rbind'] }]
  }
  const add =
    (kind: 'active' | 'view') =>
    async (namespace: string, key: string, parent: string, labels: Labels = {}) => {
      const parentIds = records.checkNew(namespace, key, parent, labels)
      const id = records.nextId()
      records.add(namespace, key, { id, kind, parent, labels })
      return mountsOf(kind, id, parentIds)
    }
  return {
    prepare: add('active'),
    view: add('view'),
    async mounts(namespace, key) {
      const { record, parentIds } = records.chain(namespace, key)
      if (record.kind === 'committed')
        throw new Failure(
          'failed-precondition',
          `failed to get active mount: requested snapshot ${key} not active or view: failed precondition`,
        )
      return mountsOf(record.kind, record.id, parentIds)
    },
    async commit(namespace, name, key, options = {}) {
      records.commit(namespace, name, key, { labels: options.labels ?? {}, parent: options.parent ?? '' })
    },
    async remove(namespace, key) {
      records.remove(namespace, key)
    },
    async stat(namespace, key) {
      return infoOf(key, records.require(namespace, key))
    },
    async update(namespace, info, fieldPaths) {
      return records.update(namespace, info, fieldPaths)
    },
    async list(namespace) {
      return records.list(namespace)
    },
    async usage(namespace, key) {
      records.require(namespace, key)
      return { sizeBytes: 0, inodes: 0 }
    },
    async cleanup() {},
  }
}
