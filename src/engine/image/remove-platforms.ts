// DELETE /images/{name}?platforms=…: takes single platforms of an index away. Its names stay, and mean another platform where they meant this.
import type { ImageDeleteItem } from '../../api/image-types.ts'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { shortId } from '../../base/ids.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { choosePlatform, formatPlatform, hostPlatform } from '../../oci/parse-platform.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Engine } from '../engine.ts'
import type { Image } from './image-store.ts'
import { readImageTree, requirePlatform, type TreeNode, wholeManifests } from './image-tree.ts'
import { isImage } from './manifest-summaries.ts'
import { readImage } from './read-image.ts'

/**
 * Throws not-found where a platform is not here, and conflict where a container is of it, or where none would be left: then it is the
 * image that has to go. What another image or platform needs as well stays.
 */
export async function removePlatforms(
  engine: Engine,
  image: Image,
  platforms: readonly Platform[],
  name: string,
): Promise<ImageDeleteItem[]> {
  const removed: ImageDeleteItem[] = []
  for (const platform of platforms) {
    try {
      removed.push(await removePlatform(engine, image, platform, name))
    } catch (error) {
      if (!isFailure(error)) throw error
      const what = `failed to delete platform ${formatPlatform(platform)} for image ${image.id}`
      throw new Failure(error.code, `${what}: ${messageOf(error)}`, { cause: error })
    }
  }
  return removed
}

async function removePlatform(
  engine: Engine,
  { target }: Image,
  platform: Platform,
  name: string,
): Promise<ImageDeleteItem> {
  const { containerd, images } = engine
  const tree = await readImageTree(containerd, target)
  const going = await requirePlatform(containerd, tree, platform, name)
  requireUnused(engine, nodeOf(tree, going.digest))
  const staying = wholeManifests(tree)
    .filter((node) => node.descriptor.digest !== going.digest && isImage(node))
    .map(({ descriptor }) => descriptor)
  const next = choosePlatform(hostPlatform(), staying) ?? staying[0]
  if (next === undefined)
    throw new Failure('conflict', `${formatPlatform(platform)} is the only platform that is here: remove the image`)
  for (const known of await images.list())
    if (known.target.digest === target.digest && known.manifest.digest === going.digest)
      await images.choose(known, await readImage(containerd, target, next.digest))
  const needed = await digestsElsewhere(engine, tree, going)
  for (const { descriptor } of nodesOf(nodeOf(tree, going.digest)))
    if (!needed.has(descriptor.digest)) await deleteContent(engine, descriptor)
  return { Deleted: going.digest }
}

function requireUnused(engine: Engine, { children: [config] }: TreeNode): void {
  const user = engine.containers.list().find(({ record }) => record.image.id === config?.descriptor.digest)
  if (user !== undefined) throw new Failure('conflict', `image is being used by container ${shortId(user.id)}`)
}

/** Of this index's other entries, and of all other images. */
async function digestsElsewhere(engine: Engine, tree: TreeNode, going: Descriptor): Promise<Set<Digest>> {
  const needed = new Set<Digest>()
  const add = (nodes: Iterable<TreeNode>) => {
    for (const { descriptor } of nodes) needed.add(descriptor.digest)
  }
  add(nodesOf(tree, going.digest))
  const targets = (await engine.images.list()).flatMap(({ contents }) =>
    [...contents.values()].map(({ target }) => target),
  )
  const others = new Map(targets.map((target) => [target.digest, target]))
  others.delete(tree.descriptor.digest)
  for (const target of others.values()) add(nodesOf(await readImageTree(engine.containerd, target)))
  return needed
}

/** The node and all below, without what is at `except` and below that. */
function* nodesOf(node: TreeNode, except?: Digest): Generator<TreeNode> {
  if (node.descriptor.digest === except) return
  yield node
  for (const child of node.children) yield* nodesOf(child, except)
}

function nodeOf(tree: TreeNode, digest: Digest): TreeNode {
  for (const node of nodesOf(tree)) if (node.descriptor.digest === digest) return node
  throw new Failure('not-found', `content of ${digest}: not found`)
}

async function deleteContent({ containerd }: Engine, { digest }: Descriptor): Promise<void> {
  try {
    await containerd.content.delete({ digest })
  } catch (error) {
    if (!isFailure(error, 'not-found')) throw error
  }
}
