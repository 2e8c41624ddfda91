// What of an image is here: its manifests, of all platforms, and whether all that they name is there too.
import { Failure, isFailure } from '../../base/failure.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { isConfigType, isIndexType, isManifestType, isNonDistributable } from '../../oci/media-type.ts'
import { IMAGE_CONFIG_BYTES_MAX, parseImageConfig } from '../../oci/parse-image-config.ts'
import { MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import { isSamePlatform, normalizePlatform } from '../../oci/parse-platform.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Lease } from './lease.ts'
import { readBlob } from './read-image.ts'

export interface TreeNode {
  descriptor: Descriptor
  /** Entries of an index, or a manifest's configuration and layers; nothing of what is missing. */
  children: readonly TreeNode[]
  /** The document is here, and so is all below it. */
  isWhole: boolean
}

const DEPTH_MAX = 4
const NODES_MAX = 20_000

/** Reads manifests and indexes, and asks for the rest. */
export async function readImageTree(client: ContainerdClient, target: Descriptor): Promise<TreeNode> {
  let count = 0
  const visit = async (descriptor: Descriptor, depth: number): Promise<TreeNode> => {
    if (depth > DEPTH_MAX || ++count > NODES_MAX)
      throw new Failure('resource-exhausted', `image ${target.digest} is of too many parts`)
    if (!isManifestType(descriptor.mediaType) && !isIndexType(descriptor.mediaType))
      return { descriptor, children: [], isWhole: await hasContent(client, descriptor) }
    const bytes = await readBlob(client, descriptor, MANIFEST_BYTES_MAX).catch(missing)
    if (bytes === undefined) return { descriptor, children: [], isWhole: false }
    const document = parseManifestOrIndex(bytes, descriptor.mediaType)
    const children: TreeNode[] = []
    if (document.kind === 'index') for (const entry of document.manifests) children.push(await visit(entry, depth + 1))
    else {
      count += document.layers.length + 1
      for (const blob of [document.config, ...document.layers]) {
        const isWhole = isNonDistributable(blob.mediaType) || (await hasContent(client, blob))
        children.push({ descriptor: blob, children: [], isWhole })
      }
    }
    return { descriptor, children, isWhole: children.every((child) => child.isWhole) }
  }
  return await visit(target, 0)
}

/** The manifests that are whole, whatever index they are in. */
export function wholeManifests(node: TreeNode): TreeNode[] {
  if (isIndexType(node.descriptor.mediaType)) return node.children.flatMap(wholeManifests)
  return node.isWhole && isManifestType(node.descriptor.mediaType) ? [node] : []
}

/** The whole manifest of exactly this platform. Throws not-found in Docker's words. */
export async function requirePlatform(
  client: ContainerdClient,
  tree: TreeNode,
  platform: Platform,
  name: string,
): Promise<Descriptor> {
  for (const node of wholeManifests(tree)) {
    const own = await platformOf(client, node)
    if (own !== undefined && isSamePlatform(own, platform)) return node.descriptor
  }
  const { os, architecture, variant } = platform
  const wanted = [os, architecture, ...(variant ? [variant] : [])].join('/')
  throw new Failure(
    'not-found',
    `image with reference ${name} was found but does not provide the specified platform (${wanted})`,
  )
}

/** The whole manifests of these platforms, in the index's order. */
export async function findPlatforms(
  client: ContainerdClient,
  tree: TreeNode,
  platforms: readonly Platform[],
): Promise<Descriptor[]> {
  const found: Descriptor[] = []
  for (const node of wholeManifests(tree)) {
    const own = await platformOf(client, node)
    if (own !== undefined && platforms.some((platform) => isSamePlatform(own, platform))) found.push(node.descriptor)
  }
  return found
}

/** What its index says, or else its configuration. Undefined for what is no image. */
async function platformOf(client: ContainerdClient, { descriptor, children }: TreeNode): Promise<Platform | undefined> {
  if (descriptor.platform !== undefined) return normalizePlatform(descriptor.platform)
  const config = children[0]?.descriptor
  if (config === undefined || !isConfigType(config.mediaType)) return undefined
  const { os, architecture, variant } = parseImageConfig(await readBlob(client, config, IMAGE_CONFIG_BYTES_MAX))
  return normalizePlatform(variant === undefined ? { os, architecture } : { os, architecture, variant })
}

/** Keeps what is here of it for as long as the lease lasts. */
export async function holdTree(lease: Lease, node: TreeNode): Promise<void> {
  const isDocument = node.children.length > 0
  if (node.isWhole || isDocument) await lease.holdContent(node.descriptor.digest)
  for (const child of node.children) await holdTree(lease, child)
}

function missing(error: unknown): undefined {
  if (!isFailure(error, 'not-found')) throw error
}

async function hasContent(client: ContainerdClient, { digest }: Descriptor): Promise<boolean> {
  return (await client.content.info({ digest }).then(() => true, missing)) ?? false
}
