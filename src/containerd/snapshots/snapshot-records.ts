// The records of snapshots: who is whose parent, and which directory is whose. Synchronous, so that a decision and its record are one.
import { Failure } from '../../base/failure.ts'
import { failpoint } from '../failpoints.ts'
import type { Bucket, MetadataStore } from '../metadata/metadata-store.ts'
import type { DescribedSnapshot } from './snapshot-info.ts'
import type { Labels, SnapshotInfo, SnapshotKind, SnapshotUsage } from './snapshotter.ts'

export interface SnapshotRecord {
  /** Names the directory; unique among all namespaces. */
  id: number
  kind: SnapshotKind
  parent: string
  createdAtMs: number
  updatedAtMs: number
  labels: Labels
  /** Of a committed snapshot, once somebody has asked. */
  usage?: SnapshotUsage
}

/** A record and the directories below it, nearest first. */
export interface SnapshotChain {
  record: SnapshotRecord
  parentIds: number[]
}

const LABEL_BYTES_MAX = 4096

export type SnapshotBucket = 'snapshots' | 'snapshots-native'

export class SnapshotRecords {
  readonly #store: MetadataStore
  readonly #bucket: Bucket<SnapshotRecord>
  readonly #bucketName: SnapshotBucket
  readonly #now: () => number
  #directories: { describe(id: number, snapshot: DescribedSnapshot): void } | undefined
  /** Keys of snapshots that are still being made. */
  readonly #reserved = new Set<string>()
  /** Number of children by parent; derived, so it is counted again at every start. */
  readonly #children = new Map<string, number>()
  #nextId = 1

  /** Each snapshotter keeps its records in a bucket of its own. */
  constructor(store: MetadataStore, now: () => number, bucket: SnapshotBucket = 'snapshots') {
    this.#store = store
    this.#bucket = store.bucket<SnapshotRecord>(bucket)
    this.#bucketName = bucket
    this.#now = now
    for (const [key, record] of this.#bucket.list()) {
      this.#nextId = Math.max(this.#nextId, record.id + 1)
      if (record.parent !== '') this.#countChild(key.slice(0, key.indexOf('/')), record.parent, 1)
    }
  }

  /** From now on each record is written down beside its snapshot's files, too. */
  describeIn(directories: { describe(id: number, snapshot: DescribedSnapshot): void }): void {
    this.#directories = directories
  }

  /** Removes the records of snapshots whose directory is not among `present`. @returns whose they were. */
  dropLost(present: ReadonlySet<number>): { namespace: string; name: string }[] {
    const lost = [...this.ids()].filter(([id]) => !present.has(id)).map(([, who]) => who)
    return lost.filter(({ namespace, name }) => {
      const { kind, parent } = this.require(namespace, name)
      if (kind === 'view' && parent !== '' && this.#bucketName === 'snapshots-native') return false // it never had one
      if (parent !== '') this.#countChild(namespace, parent, -1)
      return this.#bucket.remove(`${namespace}/${name}`)
    })
  }

  /** Directories of these numbers and below have been seen on disk. */
  reserveIds(through: number): void {
    this.#nextId = Math.max(this.#nextId, through + 1)
  }

  nextId(): number {
    return this.#nextId++
  }

  find(namespace: string, name: string): SnapshotRecord | undefined {
    return this.#bucket.get(`${namespace}/${name}`)
  }

  require(namespace: string, name: string): SnapshotRecord {
    const record = this.find(namespace, name)
    if (!record) throw new Failure('not-found', `snapshot ${name} does not exist: not found`)
    return record
  }

  list(namespace: string): SnapshotInfo[] {
    const prefix = `${namespace}/`
    return this.#bucket.list(prefix).map(([key, record]) => infoOf(key.slice(prefix.length), record))
  }

  ids(): Map<number, { namespace: string; name: string }> {
    return new Map(
      this.#bucket.list().map(([key, record]) => {
        const slash = key.indexOf('/')
        return [record.id, { namespace: key.slice(0, slash), name: key.slice(slash + 1) }]
      }),
    )
  }

  chain(namespace: string, name: string): SnapshotChain {
    const record = this.require(namespace, name)
    return { record, parentIds: this.#parentIds(namespace, record.parent) }
  }

  /** What `prepare` and `view` must know before they make a directory. */
  checkNew(namespace: string, key: string, parent: string, labels: Labels): number[] {
    if (key === '') throw new Failure('invalid-argument', 'snapshot key is required: invalid argument')
    checkLabels(labels)
    if (this.#isTaken(namespace, key)) throw new Failure('already-exists', `snapshot ${quoted(key)}: already exists`)
    return this.#parentIds(namespace, parent)
  }

  /**
   * `checkNew` for a snapshot that takes a while to make: until it is released the key is taken, and the parent can't be removed. Call
   * `add` first, then dispose.
   */
  reserve(namespace: string, key: string, parent: string, labels: Labels): { parentIds: number[] } & Disposable {
    const parentIds = this.checkNew(namespace, key, parent, labels)
    this.#reserved.add(`${namespace}/${key}`)
    if (parent !== '') this.#countChild(namespace, parent, 1)
    return {
      parentIds,
      [Symbol.dispose]: () => {
        this.#reserved.delete(`${namespace}/${key}`)
        if (parent !== '') this.#countChild(namespace, parent, -1)
      },
    }
  }

  /** Call `checkNew` first. */
  add(
    namespace: string,
    key: string,
    fields: { id: number; kind: SnapshotKind; parent: string; labels: Labels },
  ): void {
    const nowMs = this.#now()
    this.#put(namespace, key, { ...fields, createdAtMs: nowMs, updatedAtMs: nowMs })
    failpoint('snapshot.recorded')
    if (fields.parent !== '') this.#countChild(namespace, fields.parent, 1)
  }

  commit(namespace: string, name: string, key: string, options: { labels: Labels; parent: string }): void {
    if (name === '') throw new Failure('invalid-argument', 'snapshot name is required: invalid argument')
    checkLabels(options.labels)
    if (this.#isTaken(namespace, name)) throw new Failure('already-exists', `snapshot ${quoted(name)}: already exists`)
    const active = this.find(namespace, key)
    if (!active) throw new Failure('not-found', `snapshot ${key} does not exist: not found`)
    if (active.kind !== 'active')
      throw new Failure(
        'failed-precondition',
        `failed to commit snapshot ${key}: snapshot "${key}" is not active: failed precondition`,
      )
    const parent = options.parent === '' ? active.parent : options.parent
    if (active.parent !== '' && active.parent !== parent)
      throw new Failure(
        'invalid-argument',
        `cannot change parent of active snapshot "${key}" on commit: invalid argument`,
      )
    this.#parentIds(namespace, parent)
    const nowMs = this.#now()
    const record: SnapshotRecord = {
      id: active.id,
      kind: 'committed',
      parent,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      labels: options.labels,
    }
    this.#store.transaction(() => {
      this.#bucket.remove(`${namespace}/${key}`)
      this.#put(namespace, name, record)
    })
    failpoint('snapshot.committed')
    if (active.parent === '' && parent !== '') this.#countChild(namespace, parent, 1)
  }

  remove(namespace: string, key: string): SnapshotRecord {
    const record = this.find(namespace, key)
    if (!record) throw new Failure('not-found', `snapshot ${key} does not exist: not found`)
    if ((this.#children.get(`${namespace}/${key}`) ?? 0) > 0)
      throw new Failure('failed-precondition', 'cannot remove snapshot with child: failed precondition')
    this.#bucket.remove(`${namespace}/${key}`)
    failpoint('snapshot.record-removed')
    if (record.parent !== '') this.#countChild(namespace, record.parent, -1)
    return record
  }

  update(namespace: string, info: { name: string; labels: Labels }, fieldPaths: readonly string[]): SnapshotInfo {
    const record = this.require(namespace, info.name)
    const labels = updatedLabels(info, record.labels, fieldPaths)
    checkLabels(labels)
    const updated = { ...record, labels, updatedAtMs: this.#now() }
    this.#put(namespace, info.name, updated)
    return infoOf(info.name, updated)
  }

  setUsage(namespace: string, name: string, usage: SnapshotUsage): void {
    const record = this.find(namespace, name)
    if (record?.kind === 'committed') this.#bucket.put(`${namespace}/${name}`, { ...record, usage })
  }

  /** The directory is told first: a record that was acknowledged has its description. */
  #put(namespace: string, name: string, record: SnapshotRecord): void {
    this.#directories?.describe(record.id, { ...infoOf(name, record), namespace })
    this.#bucket.put(`${namespace}/${name}`, record)
  }

  #isTaken(namespace: string, name: string): boolean {
    return this.find(namespace, name) !== undefined || this.#reserved.has(`${namespace}/${name}`)
  }

  #parentIds(namespace: string, parent: string): number[] {
    const ids: number[] = []
    for (let name = parent; name !== ''; ) {
      const record = this.find(namespace, name)
      if (!record) throw new Failure('not-found', `parent snapshot ${name} does not exist: not found`)
      if (record.kind !== 'committed')
        throw new Failure('invalid-argument', `parent "${name}" is not committed snapshot: invalid argument`)
      ids.push(record.id)
      name = record.parent
    }
    return ids
  }

  #countChild(namespace: string, parent: string, by: number): void {
    const key = `${namespace}/${parent}`
    this.#children.set(key, (this.#children.get(key) ?? 0) + by)
    if (this.#children.get(key) === 0) this.#children.delete(key)
  }
}

function quoted(name: string): string {
  return JSON.stringify(name)
}

export function infoOf(name: string, record: SnapshotRecord): SnapshotInfo {
  const { kind, parent, createdAtMs, updatedAtMs, labels } = record
  return { name, kind, parent, createdAtMs, updatedAtMs, labels }
}

function updatedLabels(info: { name: string; labels: Labels }, old: Labels, fieldPaths: readonly string[]): Labels {
  let labels = fieldPaths.length === 0 ? info.labels : old
  for (const path of fieldPaths) {
    if (path === 'labels') labels = info.labels
    else if (path.startsWith('labels.')) {
      const key = path.slice('labels.'.length)
      labels = { ...labels, [key]: info.labels[key] ?? '' }
    } else {
      throw new Failure(
        'invalid-argument',
        `cannot update "${path}" field on snapshot "${info.name}": invalid argument`,
      )
    }
  }
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''))
}

function checkLabels(labels: Labels): void {
  for (const [key, value] of Object.entries(labels)) {
    const size = Buffer.byteLength(key) + Buffer.byteLength(value)
    if (size > LABEL_BYTES_MAX)
      throw new Failure(
        'invalid-argument',
        `label key and value length (${size} bytes) greater than maximum size (${LABEL_BYTES_MAX} bytes), key: ${key.slice(0, 64)}: invalid argument`,
      )
  }
}
