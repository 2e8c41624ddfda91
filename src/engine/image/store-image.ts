// An image that is made here, out of layers that are in containerd already: its configuration and its manifest are written.
import type { Descriptor } from '../../oci/descriptor.ts'
import { digestOf } from '../../oci/digest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { parseImageConfig } from '../../oci/parse-image-config.ts'
import type { Engine } from '../engine.ts'
import { archiveBlobs } from './archive-blobs.ts'
import { configLabels, labelContent, manifestLabels } from './label-content.ts'
import type { Lease } from './lease.ts'
import type { ImageContent } from './image-store.ts'
import { imageContent } from './read-image.ts'

export interface ImageParts {
  /** The configuration's document, as it is to be written. */
  config: object
  layers: readonly Descriptor[]
  /** Docker's own media types, as the image below has them, or OCI's. */
  isDocker: boolean
}

/** Nothing is unpacked. @param lease all of it is nobody's until the image has a name. */
export async function storeImage(
  engine: Engine,
  lease: Lease,
  parts: ImageParts,
  signal: AbortSignal,
): Promise<ImageContent> {
  const { layers, isDocker } = parts
  const document = Buffer.from(JSON.stringify(parts.config))
  const config = {
    mediaType: isDocker ? MEDIA_TYPE.dockerConfig : MEDIA_TYPE.ociConfig,
    digest: digestOf(document),
    size: document.length,
  }
  const mediaType = isDocker ? MEDIA_TYPE.dockerManifest : MEDIA_TYPE.ociManifest
  const described = layers.map(({ mediaType: type, digest, size }) => ({ mediaType: type, size, digest }))
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: described }))
  const target = { mediaType, digest: digestOf(manifest), size: manifest.length }
  const image = imageContent({
    target,
    descriptor: target,
    manifest: { config, layers },
    config: parseImageConfig(document),
  })
  // Side by side, and with their labels: each that is waited for alone is one more wait for the disk.
  const blobs = archiveBlobs(lease, signal)
  await Promise.all([
    blobs.write(config.mediaType, document, configLabels(image)),
    blobs.write(mediaType, manifest, manifestLabels(image)),
  ])
  if (!engine.peer.isOwn) await labelContent(lease.client, image) // another one labels nothing that it had before
  return image
}
