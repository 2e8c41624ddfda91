// From what a name points at to an image: which manifest of an index, which configuration, which layers.
import { Failure, isFailure } from '../../base/failure.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { isAttestation } from '../../oci/attestation.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { type Digest, digestOf } from '../../oci/digest.ts'
import { isIndexType } from '../../oci/media-type.ts'
import { chainIds, IMAGE_CONFIG_BYTES_MAX, parseImageConfig } from '../../oci/parse-image-config.ts'
import { MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import { hostPlatform, platformDistance } from '../../oci/parse-platform.ts'
import type { ImageContent } from './image-store.ts'

/** `chosen` names the manifest that was pulled, where that is known. Throws not-found where nothing of it is here to run. */
export async function readImage(
  client: ContainerdClient,
  target: Descriptor,
  chosen: string | undefined,
): Promise<ImageContent> {
  if (!isIndexType(target.mediaType)) return await readManifest(client, target, target)
  const index = parseManifestOrIndex(await readBlob(client, target, MANIFEST_BYTES_MAX), target.mediaType)
  if (index.kind !== 'index') throw new Failure('invalid-argument', `${target.digest} is not an index`)
  for (const manifest of inOrderOfUse(index.manifests, chosen)) {
    try {
      return await readManifest(client, target, manifest)
    } catch (error) {
      if (!isFailure(error, 'not-found')) throw error // of an index usually one platform is here
    }
  }
  throw new Failure('not-found', `content of ${target.digest}: not found`)
}

/** A whole blob of at most `sizeMax` bytes; the bytes are checked, for other programs write into this store too. */
export async function readBlob(client: ContainerdClient, descriptor: Descriptor, sizeMax: number): Promise<Buffer> {
  if (descriptor.size > sizeMax)
    throw new Failure('resource-exhausted', `${descriptor.digest} is larger than ${sizeMax} bytes`)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const { data } of client.content.read({ digest: descriptor.digest, offset: 0n, size: 0n })) {
    size += data.length
    if (size > sizeMax) throw new Failure('resource-exhausted', `${descriptor.digest} is larger than ${sizeMax} bytes`)
    chunks.push(data)
  }
  const bytes = Buffer.concat(chunks)
  if (descriptor.digest.startsWith('sha256:') && digestOf(bytes) !== descriptor.digest)
    throw new Failure('data-loss', `content of ${descriptor.digest} is damaged`)
  return bytes
}

async function readManifest(
  client: ContainerdClient,
  target: Descriptor,
  descriptor: Descriptor,
): Promise<ImageContent> {
  const manifest = parseManifestOrIndex(await readBlob(client, descriptor, MANIFEST_BYTES_MAX), descriptor.mediaType)
  if (manifest.kind !== 'manifest') throw new Failure('invalid-argument', `${descriptor.digest} is not a manifest`)
  const config = parseImageConfig(await readBlob(client, manifest.config, IMAGE_CONFIG_BYTES_MAX))
  return imageContent({ target, descriptor, manifest, config })
}

/** Puts the parts together. Throws where manifest and configuration do not tell of the same layers. */
export function imageContent(parts: {
  target: Descriptor
  descriptor: Descriptor
  manifest: { config: Descriptor; layers: readonly Descriptor[] }
  config: ImageContent['config']
}): ImageContent {
  const { target, descriptor, manifest, config } = parts
  const diffIds: readonly Digest[] = config.rootfs.diff_ids
  if (diffIds.length !== manifest.layers.length)
    throw new Failure(
      'invalid-argument',
      `image ${manifest.config.digest}: ${manifest.layers.length} layers in the manifest, ${diffIds.length} in the configuration`,
    )
  const chain = chainIds(diffIds)
  return {
    id: manifest.config.digest,
    config,
    chainId: chain.at(-1),
    chainIds: chain,
    target,
    manifest: descriptor,
    configDescriptor: manifest.config,
    layers: manifest.layers,
  }
}

/** The one that was pulled, then what suits this machine, then the others, and at last what attests to them. */
function inOrderOfUse(manifests: readonly Descriptor[], chosen: string | undefined): Descriptor[] {
  const host = hostPlatform()
  const rank = (manifest: Descriptor): number => {
    if (manifest.digest === chosen) return -1
    if (isAttestation(manifest)) return 2000
    const distance = manifest.platform ? platformDistance(host, manifest.platform) : undefined
    return distance ?? 1000
  }
  return [...manifests].sort((a, b) => rank(a) - rank(b))
}
