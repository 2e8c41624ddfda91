// Labels that tie an image's content together for containerd's collector.
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { gcSnapshotLabel } from '../../containerd/client/labels.ts'
import type { Digest } from '../../oci/digest.ts'
import { isIndexType } from '../../oci/media-type.ts'
import type { Reference } from '../../oci/reference.ts'
import { sourceLabel } from '../../registry/client/source-label.ts'
import { SNAPSHOTTER } from '../container/tasks.ts'
import type { ImageContent } from './image-store.ts'
import type { TreeNode } from './image-tree.ts'

/** So that the collector finds everything from the image's record on: index, manifest, configuration and layers, snapshots. */
export async function labelContent(client: ContainerdClient, image: ImageContent): Promise<void> {
  const { target, manifest, configDescriptor, chainId } = image
  await Promise.all([
    ...(target.digest === manifest.digest
      ? []
      : [
          addLabels(client, target.digest, {
            [`containerd.io/gc.ref.content.m.${manifest.digest.slice(7, 19)}`]: manifest.digest,
          }),
        ]),
    addLabels(client, manifest.digest, manifestLabels(image)),
    ...(chainId === undefined ? [] : [addLabels(client, configDescriptor.digest, configLabels(image))]),
  ])
}

/** From the manifest to its configuration and layers. */
export function manifestLabels({ configDescriptor, layers }: ImageContent): Record<string, string> {
  return {
    'containerd.io/gc.ref.content.config': configDescriptor.digest,
    ...Object.fromEntries(layers.map(({ digest }, index) => [`containerd.io/gc.ref.content.l.${index}`, digest])),
  }
}

/** From the configuration to the topmost snapshot; it need not be there yet. */
export function configLabels({ chainId }: ImageContent): Record<string, string> {
  return chainId === undefined ? {} : gcSnapshotLabel(SNAPSHOTTER, chainId)
}

/** The same for all manifests of an index that are here, also those that nothing was unpacked of. */
export async function labelTree(client: ContainerdClient, node: TreeNode): Promise<void> {
  const present = node.children.filter((child) => child.isWhole || child.children.length > 0)
  if (present.length === 0) return
  for (const child of present) await labelTree(client, child)
  const isIndex = isIndexType(node.descriptor.mediaType)
  const labels = present.map(({ descriptor: { digest } }, index) => {
    const kind = isIndex ? `m.${digest.slice(7, 19)}` : index === 0 ? 'config' : `l.${index - 1}`
    return [`containerd.io/gc.ref.content.${kind}`, digest]
  })
  await addLabels(client, node.descriptor.digest, Object.fromEntries(labels))
}

/** Tells of a manifest which repository has its layers: another one of that registry can take them from there. */
export async function labelSource(client: ContainerdClient, digest: Digest, reference: Reference): Promise<void> {
  const label = sourceLabel(await labelsOf(client, digest), reference)
  if (label !== undefined) await addLabels(client, digest, { [label.name]: label.value })
}

export async function labelsOf(client: ContainerdClient, digest: Digest): Promise<Readonly<Record<string, string>>> {
  return (await client.content.info({ digest })).info?.labels ?? {}
}

export async function addLabels(
  client: ContainerdClient,
  digest: Digest,
  labels: Record<string, string>,
): Promise<void> {
  const paths = Object.keys(labels).map((label) => `labels.${label}`)
  await client.content.update({ info: { digest, labels }, updateMask: { paths } })
}
