// What the main thread and a layer worker say to each other.
import type { FailureCode } from '../../base/failure.ts'
import type { Fd } from '../../linux/kernel.ts'
import type { ApplyTarget } from './find-target.ts'

export interface LayerJob {
  /** The blob, open for reading; the main thread closes it. */
  blob: Fd
  /** The blob may be compressed; with what, its first bytes say. */
  mayBeCompressed: boolean
  /** One with mounts is its worker's last: the thread can't leave them. */
  target: ApplyTarget
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
