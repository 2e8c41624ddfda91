// Snapshots as whole copies of their parents, for file systems that overlayfs can't work on: <root>/snapshots/<id>/fs.
// A view shows its parent's directory and has none of its own.
import { mkdirSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import { type Log, silentLog } from '../../base/log.ts'
import { failpoint } from '../failpoints.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { diskUsage, SnapshotDirectories } from './snapshot-directories.ts'
import { infoOf, SnapshotRecords } from './snapshot-records.ts'
import type { Labels, Mount, SnapshotInfo, Snapshotter, SnapshotUsage } from './snapshotter.ts'

export interface NativeSnapshotterOptions {
  /** Created if it is not there. */
  root: string
  store: MetadataStore
  /** Makes `to`, an empty directory, what `from` is. Rejects with Failure; what is in `to` then is removed here. */
  copy(from: string, to: string): Promise<void>
  log?: Log
  now?: () => number
}

/** What a crash left on disk is removed in the background. */
export class NativeSnapshotter implements Snapshotter {
  readonly #directories: SnapshotDirectories
  readonly #records: SnapshotRecords
  readonly #copy: NativeSnapshotterOptions['copy']

  constructor(options: NativeSnapshotterOptions) {
    this.#copy = options.copy
    this.#directories = new SnapshotDirectories(options.root, options.log ?? silentLog)
    this.#records = new SnapshotRecords(options.store, options.now ?? Date.now, 'snapshots-native')
    this.#records.describeIn(this.#directories)
    this.#directories.dropLost(this.#records)
    this.#directories.sweep(this.#records)
  }

  async prepare(namespace: string, key: string, parent: string, labels: Labels = {}): Promise<Mount[]> {
    using reservation = this.#records.reserve(namespace, key, parent, labels)
    const id = this.#records.nextId()
    await this.#fill(id, reservation.parentIds[0], () =>
      this.#records.add(namespace, key, { id, kind: 'active', parent, labels }),
    )
    return this.#mountsOf('active', id, reservation.parentIds)
  }

  async view(namespace: string, key: string, parent: string, labels: Labels = {}): Promise<Mount[]> {
    const parentIds = this.#records.checkNew(namespace, key, parent, labels)
    const id = this.#records.nextId()
    const add = () => this.#records.add(namespace, key, { id, kind: 'view', parent, labels })
    if (parentIds.length > 0) add()
    else await this.#fill(id, undefined, add)
    return this.#mountsOf('view', id, parentIds)
  }

  async mounts(namespace: string, key: string): Promise<Mount[]> {
    const { record, parentIds } = this.#records.chain(namespace, key)
    if (record.kind === 'committed')
      throw new Failure(
        'failed-precondition',
        `failed to get active mount: requested snapshot ${key} not active or view: failed precondition`,
      )
    return this.#mountsOf(record.kind, record.id, parentIds)
  }

  /** What was prepared without a parent is whole as it is: laid on another afterwards it would hide all of it. */
  async commit(
    namespace: string,
    name: string,
    key: string,
    options: { labels?: Labels; parent?: string } = {},
  ): Promise<void> {
    const parent = options.parent ?? ''
    const active = this.#records.find(namespace, key)
    if (active?.kind === 'active' && active.parent === '' && parent !== '')
      throw new Failure('unimplemented', `snapshot ${JSON.stringify(key)}: rebase is not supported: not implemented`)
    this.#records.commit(namespace, name, key, { labels: options.labels ?? {}, parent })
  }

  async remove(namespace: string, key: string): Promise<void> {
    const { id } = this.#records.remove(namespace, key)
    void this.#directories.discard(String(id))
  }

  async stat(namespace: string, key: string): Promise<SnapshotInfo> {
    return infoOf(key, this.#records.require(namespace, key))
  }

  async update(
    namespace: string,
    info: { name: string; labels: Labels },
    fieldPaths: readonly string[],
  ): Promise<SnapshotInfo> {
    return this.#records.update(namespace, info, fieldPaths)
  }

  async list(namespace: string): Promise<SnapshotInfo[]> {
    return this.#records.list(namespace)
  }

  async usage(namespace: string, key: string): Promise<SnapshotUsage> {
    const { id, kind, usage, parent } = this.#records.require(namespace, key)
    if (usage) return usage
    if (kind === 'view' && parent !== '') return { sizeBytes: 0, inodes: 0 }
    const measured = await diskUsage(this.#directories.fsPath(id))
    if (kind === 'committed') this.#records.setUsage(namespace, key, measured)
    return measured
  }

  async cleanup(): Promise<void> {
    this.#directories.sweep(this.#records)
    await this.#directories.removed()
  }

  /** The directory first, then its record; neither where anything fails. */
  async #fill(id: number, parentId: number | undefined, record: () => void): Promise<void> {
    using _ = this.#directories.arriving(id)
    const fs = this.#directories.fsPath(id)
    try {
      mkdirSync(this.#directories.pathOf(id), { mode: 0o700 })
      mkdirSync(fs, { mode: 0o755 })
      failpoint('snapshot.fs-made')
      if (parentId !== undefined) await this.#copy(this.#directories.fsPath(parentId), fs)
      record()
    } catch (error) {
      void this.#directories.discard(String(id))
      throw error
    }
  }

  #mountsOf(kind: 'active' | 'view', id: number, parentIds: readonly number[]): Mount[] {
    const shown = kind === 'view' ? (parentIds[0] ?? id) : id
    return [
      { type: 'bind', source: this.#directories.fsPath(shown), options: ['rbind', kind === 'view' ? 'ro' : 'rw'] },
    ]
  }
}
