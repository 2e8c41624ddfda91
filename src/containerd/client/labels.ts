// The labels by which containerd's collector knows what belongs together.
import type { Digest } from '../../oci/digest.ts'

/** For a manifest or an index: keeps what it refers to as long as itself. */
export function gcRefLabels(references: readonly { digest: Digest }[]): Record<string, string> {
  return Object.fromEntries(
    references.map(({ digest }, index) => [`containerd.io/gc.ref.content.${index}`, digest] as const),
  )
}

/** For an image's config: keeps the snapshot of its topmost layer, and so those below, as long as itself. */
export function gcSnapshotLabel(snapshotter: string, chainId: string): Record<string, string> {
  return { [`containerd.io/gc.ref.snapshot.${snapshotter}`]: chainId }
}

/** For anything: keeps it until the label is removed. */
export function gcRootLabel(nowMs: number): Record<string, string> {
  return { 'containerd.io/gc.root': new Date(nowMs).toISOString() }
}
