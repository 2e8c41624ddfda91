// What the upload of a blob is called in the content store, and in progress events: the same as containerd's clients call it.
import type { Descriptor } from '../../oci/descriptor.ts'
import { isConfigType, isIndexType, isManifestType } from '../../oci/media-type.ts'

const REF_NAME = 'org.opencontainers.image.ref.name'
const IN_TOTO = 'application/vnd.in-toto+json'

export function ingestRef(descriptor: Descriptor): string {
  const { digest, annotations } = descriptor
  const name = annotations?.[REF_NAME]
  return `${kindOf(descriptor)}-${name === undefined ? digest : `${name}@${digest}`}`
}

function kindOf({ mediaType }: Descriptor): string {
  if (isManifestType(mediaType)) return 'manifest'
  if (isIndexType(mediaType)) return 'index'
  if (isAnyLayer(mediaType)) return 'layer'
  if (isKnownConfig(mediaType)) return 'config'
  return mediaType === IN_TOTO ? 'attestation' : 'unknown'
}

/** Encrypted ones and others that we could not unpack, too. */
export function isAnyLayer(mediaType: string): boolean {
  return /^application\/vnd\.(?:oci\.image\.layer\.|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar(?:\.|\+|$)|erofs\.layer\.)/.test(
    mediaType,
  )
}

/** An image's, or a checkpoint's. */
export function isKnownConfig(mediaType: string): boolean {
  return isConfigType(mediaType) || CHECKPOINTS.has(mediaType)
}

const CHECKPOINTS = new Set([
  'application/vnd.containerd.container.criu.checkpoint.criu.tar',
  'application/vnd.containerd.container.checkpoint.config.v1+proto',
])
