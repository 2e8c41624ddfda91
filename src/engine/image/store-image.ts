// An image that is made here, out of layers that are in containerd already: its configuration and its manifest are written, its layers unpacked.
import { openContentSink } from '../../containerd/client/content-writer.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { digestOf } from '../../oci/digest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { parseImageConfig } from '../../oci/parse-image-config.ts'
import type { Engine } from '../engine.ts'
import { labelContent } from './label-content.ts'
import type { Lease } from './lease.ts'
import type { ImageContent } from './image-store.ts'
import { imageContent } from './read-image.ts'
import { unpackImage } from './unpack-image.ts'

export interface ImageParts {
  /** The configuration's document, as it is to be written. */
  config: object
  layers: readonly Descriptor[]
  /** Docker's own media types, as the image below has them, or OCI's. */
  isDocker: boolean
}

/** @param lease all of it is nobody's until the image has a name. */
export async function storeImage(
  engine: Engine,
  lease: Lease,
  parts: ImageParts,
  signal: AbortSignal,
): Promise<ImageContent> {
  const { layers, isDocker } = parts
  const { client } = lease
  const sink = openContentSink(client)
  const write = async (mediaType: string, document: object): Promise<Descriptor> => {
    const bytes = Buffer.from(JSON.stringify(document))
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
    await sink.write(descriptor, once(bytes), signal)
    return descriptor
  }
  const config = await write(isDocker ? MEDIA_TYPE.dockerConfig : MEDIA_TYPE.ociConfig, parts.config)
  const mediaType = isDocker ? MEDIA_TYPE.dockerManifest : MEDIA_TYPE.ociManifest
  const described = layers.map(({ mediaType: type, digest, size }) => ({ mediaType: type, size, digest }))
  const manifest = { schemaVersion: 2, mediaType, config, layers: described }
  const target = await write(mediaType, manifest)
  const image = imageContent({
    target,
    descriptor: target,
    manifest: { config, layers },
    config: parseImageConfig(Buffer.from(JSON.stringify(parts.config))),
  })
  await unpackImage(engine, lease, image, signal)
  await labelContent(client, image)
  return image
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
