// What BuildKit puts beside an image in its index (its docs/attestations/attestation-storage.md): manifests that nothing can be run of.
import type { Descriptor } from './descriptor.ts'

export const REFERENCE_TYPE = 'vnd.docker.reference.type'
export const REFERENCE_DIGEST = 'vnd.docker.reference.digest'

/** By the annotation, or by the platform that nobody has. */
export function isAttestation({ annotations, platform }: Pick<Descriptor, 'annotations' | 'platform'>): boolean {
  if (annotations?.[REFERENCE_TYPE] !== undefined) return true
  return platform?.os === 'unknown' && platform.architecture === 'unknown'
}
