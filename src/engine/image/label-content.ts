// Labels that tie an image's content together for containerd's collector.
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { gcSnapshotLabel } from '../../containerd/client/labels.ts'
import type { Digest } from '../../oci/digest.ts'
import { SNAPSHOTTER } from '../container/tasks.ts'
import type { ImageContent } from './image-store.ts'

/** So that the collector finds everything from the image's record on: index, manifest, configuration and layers, snapshots. */
export async function labelContent(client: ContainerdClient, image: ImageContent): Promise<void> {
  const { target, manifest, configDescriptor, layers, chainId } = image
  const layerLabels = layers.map(({ digest }, index) => [`containerd.io/gc.ref.content.l.${index}`, digest])
  await Promise.all([
    ...(target.digest === manifest.digest
      ? []
      : [
          addLabels(client, target.digest, {
            [`containerd.io/gc.ref.content.m.${manifest.digest.slice(7, 19)}`]: manifest.digest,
          }),
        ]),
    addLabels(client, manifest.digest, {
      'containerd.io/gc.ref.content.config': configDescriptor.digest,
      ...Object.fromEntries(layerLabels),
    }),
    ...(chainId === undefined
      ? []
      : [addLabels(client, configDescriptor.digest, gcSnapshotLabel(SNAPSHOTTER, chainId))]),
  ])
}

async function addLabels(client: ContainerdClient, digest: Digest, labels: Record<string, string>): Promise<void> {
  const paths = Object.keys(labels).map((label) => `labels.${label}`)
  await client.content.update({ info: { digest, labels }, updateMask: { paths } })
}
