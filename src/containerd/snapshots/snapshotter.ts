// Layered file systems: the interface, as containerd defines it.
//
// A snapshot is `active` (writable), `view` (read-only) or `committed`. Active ones and views are found by a key that their owner chose;
// a committed one has a name, nobody writes to it, and it may be a parent. Parents are always committed, and a snapshot can't be removed
// while it is one. Mounts are the way to look at a snapshot: descriptions for the kernel, nothing is mounted here.

export type SnapshotKind = 'view' | 'active' | 'committed'

/** As mount(8) would have it: `{ type: 'overlay', source: 'overlay', options: ['lowerdir=…'] }`. */
export interface Mount {
  type: string
  source: string
  /** Where in the mounts before it; '' or absent: over all of them. */
  target?: string
  options: string[]
}

export type Labels = Record<string, string>

export interface SnapshotInfo {
  /** The key or, once committed, the name. */
  name: string
  /** '' for none. */
  parent: string
  kind: SnapshotKind
  createdAtMs: number
  updatedAtMs: number
  labels: Labels
}

export interface SnapshotUsage {
  sizeBytes: number
  inodes: number
}

/** All keys and names live in a namespace. Failures: `not-found`, `already-exists`, `failed-precondition`, `invalid-argument`. */
export interface Snapshotter {
  /** Makes a writable snapshot over `parent` ('' for none). Finish it with `commit` or `remove`. */
  prepare(namespace: string, key: string, parent: string, labels?: Labels): Promise<Mount[]>
  /** The same, read-only. It can't be committed. */
  view(namespace: string, key: string, parent: string, labels?: Labels): Promise<Mount[]>
  /** The mounts of a snapshot that is not committed. */
  mounts(namespace: string, key: string): Promise<Mount[]>
  /**
   * Gives what is in active `key` the name `name`; the key is gone then. Labels are not inherited. A snapshot prepared without a
   * parent may be laid on one now: layers can be unpacked at the same time and put in order afterwards.
   */
  commit(namespace: string, name: string, key: string, options?: { labels?: Labels; parent?: string }): Promise<void>
  /** The name is free at once; the disk space follows. */
  remove(namespace: string, key: string): Promise<void>
  stat(namespace: string, key: string): Promise<SnapshotInfo>
  /** Only labels can change: all of them, or those that `fieldPaths` names (`labels`, `labels.<key>`). An empty value removes a label. */
  update(
    namespace: string,
    info: { name: string; labels: Labels },
    fieldPaths: readonly string[],
  ): Promise<SnapshotInfo>
  /** By name. */
  list(namespace: string): Promise<SnapshotInfo[]>
  /** Of the snapshot alone, without its parents. */
  usage(namespace: string, key: string): Promise<SnapshotUsage>
  /** Removes what earlier removals and crashes left on disk; resolves when the space is free. */
  cleanup(): Promise<void>
}
