// Layers that were committed here are kept as they are, and compressed when their image is sent anywhere for the first time
// (docs/decisions/commit-layers.md).
import { availableParallelism } from 'node:os'
import { pipeline, Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { KeyedMutex } from '../../base/keyed-mutex.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import type { ArchiveBlobs } from '../../image/archive/import-archive.ts'
import { UNCOMPRESSED_LABEL } from '../../image/archive/import-archive.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { parseJsonObject } from '../../oci/json-shape.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { MANIFEST_BYTES_MAX } from '../../oci/parse-manifest.ts'
import { detectCompression, MAGIC_BYTES } from '../../wire/compression/decompress.ts'
import type { Engine } from '../engine.ts'
import { archiveBlobs } from './archive-blobs.ts'
import { holdImage } from './hold-image.ts'
import type { ImageContent } from './image-store.ts'
import { labelContent, labelsOf } from './label-content.ts'
import { type Lease, takeLease } from './lease.ts'
import { imageContent, readBlob } from './read-image.ts'

/** On a plain layer that no registry has seen under its digest yet. */
export const PACKED_AT_PUSH = 'berth.layer.packed-at-push'

/** What packs a layer of each type: the same type, compressed. */
const PACKED_TYPE: Readonly<Record<string, string>> = {
  [MEDIA_TYPE.ociLayer]: MEDIA_TYPE.ociLayerGzip,
  [MEDIA_TYPE.dockerLayer]: MEDIA_TYPE.dockerLayerGzip,
}

/** By image: the second of two at once has what the first one has packed. */
const packing = new KeyedMutex()

/**
 * The image with its committed layers compressed, which its tags point at from then on: it is sent under this digest ever after, and the plain
 * layers go unless another image has them. One without such layers is returned as it is.
 * @param lease holds all of what is returned.
 * @param current looks the image up by the name that it is wanted by. What it throws is thrown.
 */
export async function packHeld(
  engine: Engine,
  lease: Lease,
  current: () => Promise<ImageContent>,
  signal: AbortSignal,
): Promise<ImageContent> {
  const { id } = await current()
  return await packing.run(id, async () => packLayers(engine, lease, await holdImage(lease, current), signal))
}

/** The same for who holds nothing of it: another one may let go of it at once. */
export async function packImage(
  engine: Engine,
  current: () => Promise<ImageContent>,
  signal: AbortSignal,
): Promise<ImageContent> {
  const image = await current()
  if ((await plainLayers(engine.containerd, image)).size === 0) return image
  await using lease = await takeLease(engine.containerd, engine.id, engine.clock.now())
  return await packHeld(engine, lease, current, signal)
}

async function plainLayers(client: ContainerdClient, image: ImageContent): Promise<ReadonlySet<Descriptor>> {
  const plain = new Set<Descriptor>()
  if (image.target.digest !== image.manifest.digest) return plain // an index is another's work
  for (const layer of image.layers)
    if (layer.mediaType in PACKED_TYPE && PACKED_AT_PUSH in (await labelsOf(client, layer.digest))) plain.add(layer)
  return plain
}

async function packLayers(
  engine: Engine,
  lease: Lease,
  image: ImageContent,
  signal: AbortSignal,
): Promise<ImageContent> {
  const { client } = lease
  const plain = await plainLayers(client, image)
  if (plain.size === 0) return image
  const replaced = await packAll(lease, plain, signal)
  const layers = image.layers.map((layer) => (plain.has(layer) ? { ...layer, ...replaced.get(layer.digest) } : layer))
  const document = parseJsonObject(await readBlob(client, image.target, MANIFEST_BYTES_MAX), 'manifest')
  const bytes = Buffer.from(JSON.stringify({ ...document, layers }))
  const target = await archiveBlobs(lease, signal).write(image.target.mediaType, bytes)
  const manifest = { config: image.configDescriptor, layers }
  const repacked = imageContent({ target, descriptor: target, manifest, config: image.config })
  await labelContent(client, repacked)
  await engine.images.repack(image, repacked)
  return repacked
}

/** By the digests that they had; each once, and as many at a time as there are cores. The first that fails ends all. */
async function packAll(
  lease: Lease,
  plain: ReadonlySet<Descriptor>,
  signal: AbortSignal,
): Promise<ReadonlyMap<Digest, Descriptor>> {
  const waiting = new Map([...plain].map((layer) => [layer.digest, layer]))
  const done = new Map<Digest, Descriptor>()
  const failed = new AbortController()
  const blobs = archiveBlobs(lease, AbortSignal.any([signal, failed.signal]))
  const work = async () => {
    for (const [digest, layer] of waiting) {
      waiting.delete(digest)
      done.set(digest, await packed(blobs, layer))
    }
  }
  const workers = Array.from({ length: availableParallelism() }, work)
  try {
    await Promise.all(workers)
  } catch (error) {
    waiting.clear()
    failed.abort()
    await Promise.allSettled(workers) // nothing of them goes on under a lease that is about to end
    throw error
  }
  return done
}

/** One that is here already is the one that can be pushed again; else the same layer makes the same bytes. */
async function packed(blobs: ArchiveBlobs, layer: Descriptor): Promise<Descriptor> {
  const mediaType = PACKED_TYPE[layer.mediaType] ?? layer.mediaType
  const known = await blobs.findPacked(layer.digest)
  if (known !== undefined && detectCompression(await blobs.readStart(known.digest, MAGIC_BYTES)) === 'gzip')
    return { mediaType, ...known }
  const gzip = createGzip({ chunkSize: OUTPUT_SIZE })
  pipeline(Readable.from(blobs.stream(layer.digest), { objectMode: false }), gzip, () => {}) // errors come out of the iteration
  return await blobs.write(mediaType, gzip, { [UNCOMPRESSED_LABEL]: layer.digest })
}

const OUTPUT_SIZE = 256 * 1024
