// What the main thread and a thread that sees a container's files say to each other. A thread sees one view in its life; ending it early is the way to call
// off what it does.
import type { FailureCode } from '../../base/failure.ts'
import type { Fd } from '../../linux/kernel.ts'
import type { IdMap } from '../userns/id-map.ts'
import type { OverlayOption } from '../container/read-user-files.ts'
import type { FileChange } from '../../trees/list-changes.ts'

export type View =
  /** A running container's. */
  | { kind: 'namespace'; namespace: Fd; upperDirectory: string; isRootOnly: boolean; ids?: IdMap }
  | {
      kind: 'layers'
      /** Directories from the topmost down. */
      layers: readonly string[]
      /** How the topmost one is mounted to be written to; undefined where it is not. */
      writable: readonly OverlayOption[] | undefined
      mounts: readonly SourceMount[]
      /** The container's, where its ids are not the host's, and a namespace that has it. */
      ids?: IdMap
      userNamespace?: Fd
    }

/** A volume, a bind or a file of the engine's own. */
export interface SourceMount {
  source: string
  target: string
  isReadOnly: boolean
  isRecursive: boolean
}

export type FilesJob =
  | { kind: 'stat'; path: string }
  | { kind: 'archive'; path: string }
  | { kind: 'export' }
  | { kind: 'extract'; path: string; rules: ExtractRules }

/** Directories: the container's own layer, and those below from the topmost down. */
export interface ComparedLayers {
  upper: string
  lowers: readonly string[]
  /** Of the marks in `upper`; undefined compares whole trees. */
  overlayPrefix: string | undefined
  /** By which `upper` shows ids as `lowers` have them; undefined: it does so by itself. */
  userNamespace?: Fd
}

export interface ExtractRules {
  /** `user[:group]` whose all becomes; undefined leaves it to the archive. */
  user: string | undefined
  keepsKinds: boolean
  /** Of the container's root file system. */
  isReadOnly: boolean
  /** Where volumes and binds are, and which may not be written to. */
  mounts: readonly { target: string; isReadOnly: boolean }[]
}

/** What the API tells of a path; `mode` as Go's os.FileMode has it. */
export interface PathStat {
  name: string
  size: number
  mode: number
  mtime: string
  linkTarget: string
}

export type FilesRequest =
  /** Answered by `opened`: what the view is made of can be let go of. */
  | { kind: 'open'; view: View }
  | { kind: 'job'; job: FilesJob }
  | { kind: 'compare'; layers: ComparedLayers }
  /** Of an archive that is to be extracted; answered by `taken`. */
  | { kind: 'chunk'; bytes: Uint8Array<ArrayBuffer> }
  | { kind: 'end' }
  /** A chunk of the thread's own has been written. */
  | { kind: 'written' }

export type FilesMessage =
  /** The view is made: no descriptor is in flight any more. */
  | { kind: 'opened' }
  | { kind: 'stat'; stat: PathStat }
  | { kind: 'chunk'; bytes: Uint8Array }
  | { kind: 'changes'; changes: readonly FileChange[] }
  /** The piece itself comes back, to be filled again. */
  | { kind: 'taken'; bytes: Uint8Array<ArrayBuffer> }
  /** The archive has ended; what its sender has still to say is of no interest. */
  | { kind: 'done' }
  /** Only a mount of both layers together can tell what the upper directory means. */
  | { kind: 'needs-mount' }
  | { kind: 'failed'; code: FailureCode; message: string }

/** Pieces on their way in one direction, 16 MiB in all: on a busy machine each turn of a thread takes its time to come. */
export const CHUNKS_IN_FLIGHT = 32
