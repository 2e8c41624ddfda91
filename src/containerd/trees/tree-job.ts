// What the main thread and a tree thread say to each other. A thread does one job; ending it early is the way to call it off.
import type { FailureCode } from '../../base/failure.ts'
import type { Fd } from '../../linux/kernel.ts'
import type { TarTime } from '../../wire/tar/entry.ts'
import type { Mount } from '../snapshots/snapshotter.ts'
import type { Compression } from '../diff/compress.ts'

export interface DiffJob {
  kind: 'diff'
  lower: readonly Mount[]
  upper: readonly Mount[]
  /** Of the upper directory's own attributes, where `upper` is one and not a whole tree: `trusted.overlay.`. */
  overlayPrefix: string | undefined
  compression: Compression
  modifiedMax: TarTime | undefined
  /** Where the archive goes, from where it stands; the main thread closes it, when the thread has ended. */
  output: Fd
}

export interface CopyJob {
  kind: 'copy'
  /** Directories; `to` is empty. */
  from: string
  to: string
}

export type TreeJob = DiffJob | CopyJob

export type TreeMessage =
  | { kind: 'done'; result: TreeResult }
  | { kind: 'failed'; code: FailureCode; message: string }
  /** Only a mount can tell what this upper directory means. */
  | { kind: 'needs-mount' }

/** SHA-256, and bytes. */
export interface Measured {
  digest: string
  sizeBytes: number
}

/** Of what a diff has made; a copy makes nothing of the kind. */
export interface TreeResult {
  /** Before compression. */
  archive: Measured
  /** As it was written. */
  output: Measured
}
