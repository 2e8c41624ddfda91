// The snapshotters of a containerd, by the names that clients know.
import { join } from 'node:path'
import type { Log } from '../../base/log.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { TreeThreads } from '../trees/tree-threads.ts'
import { NativeSnapshotter } from './native-snapshotter.ts'
import { openSnapshots, type OverlaySettings } from './overlay-snapshotter.ts'
import type { Snapshotter } from './snapshotter.ts'

export const DEFAULT_SNAPSHOTTER = 'overlayfs'

export interface SnapshottersOptions {
  /** Of containerd: survives a reboot. */
  root: string
  /** Need not survive one; its short path is worth something where many layers are named. */
  state: string
  metadata: MetadataStore
  log: Log
  /** Copies for native; closed after the snapshotters. */
  threads: TreeThreads
  settings: OverlaySettings
}

export function openSnapshotters(options: SnapshottersOptions): Map<string, Snapshotter> {
  const { root, state, metadata: store, log, threads, settings } = options
  const never = new AbortController().signal
  return new Map<string, Snapshotter>([
    [
      DEFAULT_SNAPSHOTTER,
      openSnapshots({ root: join(root, 'overlayfs'), store, log, linksDirectory: join(state, 'l'), settings }),
    ],
    [
      'native',
      new NativeSnapshotter({
        root: join(root, 'native'),
        store,
        log,
        copy: (from, to) => threads.copy({ kind: 'copy', from, to }, never),
      }),
    ],
  ])
}
