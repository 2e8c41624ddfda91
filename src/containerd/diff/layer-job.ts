// What the main thread and a layer worker say to each other.
import type { FailureCode } from '../../base/failure.ts'
import type { Fd } from '../../linux/kernel.ts'

export interface LayerJob {
  /** The blob, open for reading; the main thread closes it. */
  blob: Fd
  /** The upper directory to fill. */
  directory: string
  /** Directories of the layers below, nearest first: attributes of directories are taken from them. */
  lowers: readonly string[]
  /** Bound on the unpacked archive. */
  sizeBytesMax: number
  /** Write back the file system before answering. */
  syncFs: boolean
  /** Shared memory; a 1 in it stops the work at the next chunk. */
  cancelled: Int32Array
}

export type LayerAnswer =
  | { ok: true; digest: string; sizeBytes: number }
  | { ok: false; code: FailureCode; message: string }
