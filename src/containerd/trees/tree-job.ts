// What the main thread and a tree thread say to each other. A thread does one job; ending it early is the way to call it off.
import type { FailureCode } from '../../base/failure.ts'
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
}

export interface CopyJob {
  kind: 'copy'
  /** Directories; `to` is empty. */
  from: string
  to: string
}

export type TreeJob = DiffJob | CopyJob

export type TreeMessage =
  /** Answered by an acknowledgement once it is written: only so many may be on their way. */
  | { kind: 'chunk'; bytes: Uint8Array }
  | { kind: 'done'; result: TreeResult }
  | { kind: 'failed'; code: FailureCode; message: string }
  /** Only a mount can tell what this upper directory means. */
  | { kind: 'needs-mount' }

/** Of what a diff made before compression; a copy makes nothing of the kind. */
export interface TreeResult {
  digest: string
  sizeBytes: number
}

export const CHUNKS_IN_FLIGHT = 4
