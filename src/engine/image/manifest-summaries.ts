// The manifests of an image, as clients that know several platforms see them: `manifests` of the list and of inspect.
import type { ManifestSummary } from '../../api/image-types.ts'
import { isAttestation, REFERENCE_DIGEST, REFERENCE_TYPE } from '../../oci/attestation.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { parseDigest } from '../../oci/digest.ts'
import { isConfigType, isIndexType, isLayerType, isManifestType, isNonDistributable } from '../../oci/media-type.ts'
import { chainIds, IMAGE_CONFIG_BYTES_MAX, type ImageConfig, parseImageConfig } from '../../oci/parse-image-config.ts'
import type { Engine } from '../engine.ts'
import { readImageTree, type TreeNode } from './image-tree.ts'
import { readBlob } from './read-image.ts'

/** In the index's order, those too that are not here. */
export async function summarizeManifests(engine: Engine, target: Descriptor): Promise<ManifestSummary[]> {
  const tree = await readImageTree(engine.containerd, target)
  return await Promise.all(manifestsOf(tree).map((node) => summarize(engine, node)))
}

function manifestsOf(node: TreeNode): TreeNode[] {
  if (isIndexType(node.descriptor.mediaType)) return node.children.flatMap(manifestsOf)
  return isManifestType(node.descriptor.mediaType) ? [node] : []
}

async function summarize(engine: Engine, node: TreeNode): Promise<ManifestSummary> {
  const { descriptor } = node
  const content = presentBytes(node)
  const summary: ManifestSummary = {
    ID: descriptor.digest,
    Descriptor: descriptor,
    Available: node.isWhole,
    Size: { Content: content, Total: content },
    Kind: 'unknown',
  }
  if (descriptor.annotations?.[REFERENCE_TYPE] !== undefined) return { ...summary, ...attestation(descriptor) }
  if (!isImage(node)) return summary
  const [config] = node.children
  const read = config?.isWhole === true ? await readConfig(engine, config.descriptor) : undefined
  const unpacked = read === undefined ? 0 : await unpackedBytes(engine, read)
  const users = engine.containers.list().filter(({ record }) => record.image.id === config?.descriptor.digest)
  return {
    ...summary,
    Size: { Content: content, Total: content + unpacked },
    Kind: 'image',
    ImageData: {
      Platform: descriptor.platform ?? platformIn(read),
      Size: { Unpacked: unpacked },
      Containers: users.length === 0 ? null : users.map(({ id }) => id),
    },
  }
}

/** Of the image that it is for; one that does not say that is of a kind that nobody knows. */
function attestation({ annotations = {} }: Descriptor): Pick<ManifestSummary, 'Kind' | 'AttestationData'> {
  try {
    return { Kind: 'attestation', AttestationData: { For: parseDigest(annotations[REFERENCE_DIGEST] ?? '') } }
  } catch {
    return { Kind: 'unknown' }
  }
}

/** Other things come in manifests of images, too. One that is not here is taken for what its index says. */
export function isImage({ descriptor, children }: TreeNode): boolean {
  if (isAttestation(descriptor)) return false
  const layers = children.slice(1)
  return layers.length === 0 || layers.some((layer) => isLayerType(layer.descriptor.mediaType))
}

function presentBytes({ descriptor, children, isWhole }: TreeNode): number {
  const isDocument = isManifestType(descriptor.mediaType) || isIndexType(descriptor.mediaType)
  const isHere = isDocument ? children.length > 0 : isWhole && !isNonDistributable(descriptor.mediaType)
  return (isHere ? descriptor.size : 0) + children.reduce((sum, child) => sum + presentBytes(child), 0)
}

async function readConfig(engine: Engine, config: Descriptor): Promise<ImageConfig | undefined> {
  if (!isConfigType(config.mediaType)) return undefined
  return parseImageConfig(await readBlob(engine.containerd, config, IMAGE_CONFIG_BYTES_MAX))
}

async function unpackedBytes(engine: Engine, config: ImageConfig): Promise<number> {
  const sizes = await Promise.all(chainIds(config.rootfs.diff_ids).map((id) => engine.images.layerSizeBytes(id)))
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
}

function platformIn(config: ImageConfig | undefined): NonNullable<Descriptor['platform']> {
  if (config === undefined) return { architecture: '', os: '' }
  const { architecture, os, variant } = config
  return { architecture, os, ...(variant === undefined ? {} : { variant }) }
}
