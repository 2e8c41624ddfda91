// The directories of snapshots on disk: <root>/snapshots/<id>/…
//
// A directory exists before its record does, and a record goes before its directory. So after a crash there may be directories without a
// record, which are swept, and never the reverse.
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { spreadDirectories } from '../../linux/spread-directories.ts'
import { removeTree } from '../../trees/remove-tree.ts'
import { failpoint } from '../failpoints.ts'
import { writeSnapshotInfo, type DescribedSnapshot } from './snapshot-info.ts'
import type { SnapshotRecords } from './snapshot-records.ts'
import type { SnapshotUsage } from './snapshotter.ts'

/** A removed snapshot's directory is renamed to this and its number, so that no number is ever in doubt. */
const REMOVED = 'removed-'

export class SnapshotDirectories {
  readonly root: string
  readonly #log: Log
  readonly #removals = new Set<Promise<void>>()
  /** Directories whose record is still to come. */
  readonly #arriving = new Set<number>()

  /** Makes `root` where it is not there. */
  constructor(root: string, log: Log) {
    this.root = join(root, 'snapshots')
    this.#log = log
    // Images hold set-user-ID programs that are nobody else's business.
    mkdirSync(this.root, { recursive: true, mode: 0o700 })
    spreadDirectories(this.root)
  }

  pathOf(id: number): string {
    return join(this.root, String(id))
  }

  /** What the snapshot itself holds. */
  fsPath(id: number): string {
    return join(this.root, String(id), 'fs')
  }

  /** Writes what the record will say beside what the snapshot holds. */
  describe(id: number, snapshot: DescribedSnapshot): void {
    writeSnapshotInfo(this.pathOf(id), snapshot)
    failpoint('snapshot.info-written')
  }

  /** Keeps a directory from being swept while it is filled. */
  arriving(id: number): Disposable {
    this.#arriving.add(id)
    return { [Symbol.dispose]: () => this.#arriving.delete(id) }
  }

  /** Out of sight at once by a rename, off the disk in the background; resolves when it is. */
  discard(name: string): Promise<void> {
    const removed = name.startsWith(REMOVED) ? name : `${REMOVED}${name}`
    const path = join(this.root, removed)
    if (removed !== name) {
      try {
        renameSync(join(this.root, name), path)
        failpoint('snapshot.renamed')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Promise.resolve()
        throw error
      }
    }
    const removal = removeTree(path)
      .then(() => failpoint('snapshot.removed'))
      .catch((error) => this.#log.warn('snapshot directory not removed', { path, error: messageOf(error) }))
      .finally(() => this.#removals.delete(removal))
    this.#removals.add(removal)
    return removal
  }

  /** Forgets snapshots whose directory is not there: power loss has taken it, or brought back the record of one that was removed. */
  dropLost(records: SnapshotRecords): void {
    const present = new Set(
      readdirSync(this.root)
        .map(Number)
        .filter((id) => existsSync(this.fsPath(id))),
    )
    for (const { namespace, name } of records.dropLost(present))
      this.#log.warn('a snapshot is lost', { namespace, snapshot: name })
  }

  /** Discards what has no record. */
  sweep(records: SnapshotRecords): void {
    const known = records.ids()
    for (const name of readdirSync(this.root)) {
      const id = /^\d{1,15}$/.test(name) ? Number(name) : undefined
      if (id !== undefined) records.reserveIds(id)
      if (id === undefined || !(known.has(id) || this.#arriving.has(id))) void this.discard(name)
    }
  }

  /** Resolves when all that was discarded is off the disk. */
  async removed(): Promise<void> {
    await Promise.all(this.#removals)
  }
}

/** Blocks as the file system counts them; a hard link counts once. */
export async function diskUsage(root: string): Promise<SnapshotUsage> {
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
