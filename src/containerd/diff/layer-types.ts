// The media types of layers, in containerd's words.
import { Failure } from '../../base/failure.ts'
import type { Compression } from './compress.ts'

const OCI_LAYERS = ['application/vnd.oci.image.layer.v1.tar', 'application/vnd.oci.image.layer.nondistributable.v1.tar']
const DOCKER_LAYERS = [
  'application/vnd.docker.image.rootfs.diff.tar',
  'application/vnd.docker.image.rootfs.foreign.diff.tar',
]
const DOCKER_GZIP_LAYERS = DOCKER_LAYERS.map((type) => `${type}.gzip`)

/**
 * Whether a blob of this type may be compressed; with what, its first bytes tell. Docker's type without a suffix has always been used for both.
 * Throws `unknown` for what is no layer.
 */
export function mayBeCompressed(mediaType: string): boolean {
  const [base = '', ...suffixes] = mediaType.split('+')
  if (OCI_LAYERS.includes(base)) return ['gzip', 'zstd'].includes(suffixes.sort().at(-1) ?? '')
  if (DOCKER_LAYERS.includes(base) || DOCKER_GZIP_LAYERS.includes(base)) return suffixes.length === 0
  throw new Failure('unknown', `failed to get stream processor for ${mediaType}: no processor for media-type`)
}

const MADE_WITH: Record<string, Compression> = {
  'application/vnd.oci.image.layer.v1.tar': 'none',
  'application/vnd.oci.image.layer.v1.tar+gzip': 'gzip',
  'application/vnd.oci.image.layer.v1.tar+zstd': 'zstd',
}

export const DEFAULT_LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** Throws `unimplemented` for a type that no layer is made of. */
export function compressionOf(mediaType: string): Compression {
  const compression = MADE_WITH[mediaType]
  if (compression === undefined)
    throw new Failure('unimplemented', `unsupported diff media type: ${mediaType}: not implemented`)
  return compression
}
