// Images in the Engine API. Fields that a version does not have are left out by the engine (image-views.ts).
import type { Descriptor } from '../oci/descriptor.ts'

export interface ImageSummary {
  Containers: number
  Created: number
  Id: string
  Labels: Record<string, string> | null
  ParentId: string
  Descriptor?: Descriptor
  /** From 1.47 on, where it was asked for. */
  Manifests?: ManifestSummary[]
  RepoDigests: string[]
  RepoTags: string[]
  SharedSize: number
  Size: number
  /** Before 1.44. */
  VirtualSize?: number
}

/** A manifest of an image, here or known by its index only. Sizes are in bytes, of what is here. */
export interface ManifestSummary {
  ID: string
  Descriptor: Descriptor
  /** With all that it names. */
  Available: boolean
  /** `Total` is `Content`, as it is packed, and what is unpacked of it. */
  Size: { Content: number; Total: number }
  Kind: 'image' | 'attestation' | 'unknown'
  ImageData?: {
    Platform: NonNullable<Descriptor['platform']>
    Size: { Unpacked: number }
    /** Ids; null where there is none, as Docker has it. */
    Containers: string[] | null
  }
  AttestationData?: {
    /** The digest of the image's manifest. */
    For: string
  }
}

export interface ImageHistoryItem {
  Comment: string
  Created: number
  CreatedBy: string
  Id: string
  Size: number
  Tags: string[] | null
}

export type ImageDeleteItem = { Untagged: string } | { Deleted: string }

/** What a search of an index has found. */
export interface SearchResult {
  star_count: number
  is_official: boolean
  name: string
  /** Nobody can tell any more. */
  is_automated: false
  description: string
}

/** One line of the progress of a pull, a push, a load or an import. */
export interface ProgressMessage {
  /** Text as it stands, with its line end. */
  stream?: string
  status?: string
  id?: string
  progressDetail?: { current?: number; total?: number }
  /** The same for people; not sent from 1.53 on. */
  progress?: string
  errorDetail?: { code?: number; message: string }
  error?: string
  aux?: object
}
