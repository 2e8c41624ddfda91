// Descriptors (image-spec descriptor.md).
import type { Digest } from './digest.ts'

export interface Descriptor {
  mediaType: string
  digest: Digest
  size: number
  urls?: string[]
  annotations?: Record<string, string>
  platform?: { architecture: string; os: string; variant?: string; 'os.version'?: string }
  artifactType?: string
}
