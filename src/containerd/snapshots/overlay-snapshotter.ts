// Snapshots as directories that overlayfs lays on top of each other: <root>/snapshots/<id>/{fs,work}.
//
// A directory exists before its record does, and a record goes before its directory. So after a crash there may be directories without a
// record, which are swept, and never the reverse.
import { chownSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure, messageOf } from '../../base/failure.ts'
import { type Log, silentLog } from '../../base/log.ts'
import { spreadDirectories } from '../../linux/spread-directories.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { infoOf, SnapshotRecords } from './snapshot-records.ts'
import type { Labels, Mount, SnapshotInfo, Snapshotter, SnapshotUsage } from './snapshotter.ts'
import { failpoint } from '../failpoints.ts'

export interface OverlaySnapshotterOptions {
  /** Created if it is not there. */
  root: string
  store: MetadataStore
  log?: Log
  now?: () => number
}

/** Opens the overlay snapshotter; what a crash left on disk is removed in the background. */
export function openSnapshots(options: OverlaySnapshotterOptions): OverlaySnapshotter {
  return new OverlaySnapshotter(options)
}

/** A removed snapshot's directory is renamed to this and its number, so that no number is ever in doubt. */
const REMOVED = 'removed-'

export class OverlaySnapshotter implements Snapshotter {
  readonly #directory: string
  readonly #records: SnapshotRecords
  readonly #log: Log
  readonly #mountOptions: readonly string[]
  readonly #removals = new Set<Promise<void>>()

  constructor(options: OverlaySnapshotterOptions) {
    this.#directory = join(options.root, 'snapshots')
    this.#log = options.log ?? silentLog
    this.#records = new SnapshotRecords(options.store, options.now ?? Date.now)
    this.#mountOptions = overlayOptions()
    // Images hold set-user-ID programs that are nobody else's business.
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    spreadDirectories(this.#directory)
    this.#sweep()
  }

  async prepare(namespace: string, key: string, parent: string, labels: Labels = {}): Promise<Mount[]> {
    return this.#create(namespace, key, parent, labels, 'active')
  }

  async view(namespace: string, key: string, parent: string, labels: Labels = {}): Promise<Mount[]> {
    return this.#create(namespace, key, parent, labels, 'view')
  }

  async mounts(namespace: string, key: string): Promise<Mount[]> {
    const { record, parentIds } = this.#records.chain(namespace, key)
    if (record.kind === 'committed')
      throw new Failure('failed-precondition', `requested snapshot ${key} not active, view: failed precondition`)
    return this.#mountsOf(record.kind, record.id, parentIds)
  }

  async commit(
    namespace: string,
    name: string,
    key: string,
    options: { labels?: Labels; parent?: string } = {},
  ): Promise<void> {
    this.#records.commit(namespace, name, key, { labels: options.labels ?? {}, parent: options.parent ?? '' })
    failpoint('snapshot.committed')
  }

  async remove(namespace: string, key: string): Promise<void> {
    const { id } = this.#records.remove(namespace, key)
    failpoint('snapshot.record-removed')
    this.#discard(String(id))
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
    const { id, kind, usage } = this.#records.require(namespace, key)
    if (usage) return usage
    const measured = await diskUsage(this.#fsPath(id))
    // Only what can't change any more is worth keeping. It is measured when somebody asks, not when a pull waits for the commit.
    if (kind === 'committed') this.#records.setUsage(namespace, key, measured)
    return measured
  }

  async cleanup(): Promise<void> {
    this.#sweep()
    await Promise.all(this.#removals)
  }

  #create(namespace: string, key: string, parent: string, labels: Labels, kind: 'active' | 'view'): Mount[] {
    const parentIds = this.#records.checkNew(namespace, key, parent, labels)
    const id = this.#records.nextId()
    const directory = join(this.#directory, String(id))
    try {
      mkdirSync(directory, { mode: 0o700 })
      failpoint('snapshot.directory-made')
      this.#makeFs(id, parentIds[0])
      failpoint('snapshot.fs-made')
      if (kind === 'active') mkdirSync(join(directory, 'work'), { mode: 0o711 })
      failpoint('snapshot.work-made')
      this.#records.add(namespace, key, { id, kind, parent, labels })
      failpoint('snapshot.recorded')
    } catch (error) {
      rmSync(directory, { recursive: true, force: true })
      throw error
    }
    return this.#mountsOf(kind, id, parentIds)
  }

  /** The upper directory is the root directory that the container sees, so its owner is the one below's. */
  #makeFs(id: number, parentId: number | undefined): void {
    const path = this.#fsPath(id)
    mkdirSync(path, { mode: 0o755 })
    if (parentId === undefined) return
    const { uid, gid } = lstatSync(this.#fsPath(parentId))
    if (uid !== 0 || gid !== 0) chownSync(path, uid, gid)
  }

  #mountsOf(kind: 'active' | 'view', id: number, parentIds: readonly number[]): Mount[] {
    const own = this.#fsPath(id)
    const bind = (source: string, mode: 'ro' | 'rw') => [{ type: 'bind', source, options: [mode, 'rbind'] }]
    const lowers = parentIds.map((parentId) => this.#fsPath(parentId))
    const lowerdir = `lowerdir=${lowers.join(':')}`
    if (kind === 'active') {
      if (lowers.length === 0) return bind(own, 'rw')
      const work = join(this.#directory, String(id), 'work')
      return [this.#overlay([`workdir=${work}`, `upperdir=${own}`, lowerdir])]
    }
    // A view has nothing of its own to show, except where there is nothing else.
    if (lowers.length <= 1) return bind(lowers[0] ?? own, 'ro')
    return [this.#overlay([lowerdir])]
  }

  #overlay(options: string[]): Mount {
    return { type: 'overlay', source: 'overlay', options: [...options, ...this.#mountOptions] }
  }

  #fsPath(id: number): string {
    return join(this.#directory, String(id), 'fs')
  }

  /** Out of sight at once by a rename, off the disk in the background. */
  #discard(name: string): void {
    const removed = name.startsWith(REMOVED) ? name : `${REMOVED}${name}`
    const path = join(this.#directory, removed)
    if (removed !== name) {
      try {
        renameSync(join(this.#directory, name), path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
        throw error
      }
    }
    failpoint('snapshot.renamed')
    const removal = rm(path, { recursive: true, force: true })
      .then(() => failpoint('snapshot.removed'))
      .catch((error) => this.#log.warn('snapshot directory not removed', { path, error: messageOf(error) }))
      .finally(() => this.#removals.delete(removal))
    this.#removals.add(removal)
  }

  #sweep(): void {
    const known = this.#records.ids()
    for (const name of readdirSync(this.#directory)) {
      const id = /^\d{1,15}$/.test(name) ? Number(name) : undefined
      if (id !== undefined) this.#records.reserveIds(id)
      if (id === undefined || !known.has(id)) this.#discard(name)
    }
  }
}

function overlayOptions(): string[] {
  const options: string[] = []
  // With an index, a layer could not be under two containers' work at once.
  if (existsSync('/sys/module/overlay/parameters/index')) options.push('index=off')
  if (isInUserNamespace()) options.push('userxattr') // trusted.* belongs to the host there
  return options
}

function isInUserNamespace(): boolean {
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))
  } catch {
    return false // a kernel without user namespaces
  }
}

/** Blocks as the file system counts them; a hard link counts once. */
async function diskUsage(root: string): Promise<SnapshotUsage> {
  const usage = { sizeBytes: 0, inodes: 0 }
  const linked = new Set<string>()
  const pending = [root]
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    const paths = directory === root ? [root] : []
    const entries = await readdir(directory, { encoding: 'buffer' })
    for (const path of [...paths, ...entries.map((name) => `${directory}/${name.toString('latin1')}`)]) {
      const stats = await lstat(Buffer.from(path, 'latin1'))
      const inode = `${stats.dev}:${stats.ino}`
      if (stats.nlink > 1 && !stats.isDirectory()) {
        if (linked.has(inode)) continue
        linked.add(inode)
      }
      usage.sizeBytes += stats.blocks * 512
      usage.inodes++
      if (stats.isDirectory() && path !== root) pending.push(path)
    }
  }
  return usage
}
