// Images in the Engine API. Fields that a version does not have are left out by the engine (image-views.ts).
import type { Descriptor } from '../oci/descriptor.ts'

export interface ImageSummary {
  Containers: number
  Created: number
  Id: string
  Labels: Record<string, string> | null
  ParentId: string
  Descriptor?: Descriptor
  RepoDigests: string[]
  RepoTags: string[]
  SharedSize: number
  Size: number
  /** Before 1.44. */
  VirtualSize?: number
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

/** One line of the progress of a pull. */
export interface ProgressMessage {
  status?: string
  id?: string
  progressDetail?: { current?: number; total?: number }
  /** The same for people; not sent from 1.53 on. */
  progress?: string
  errorDetail?: { code?: number; message: string }
  error?: string
  aux?: object
}
