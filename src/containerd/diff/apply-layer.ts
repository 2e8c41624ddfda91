// Unpacks a layer blob into a snapshot that has been prepared for it.
import { open } from 'node:fs/promises'
import { Failure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { parseDigest } from '../../oci/digest.ts'
import type { Mount } from '../snapshots/snapshotter.ts'
import type { LayerWorkers } from './layer-workers.ts'
import { findTarget } from './find-target.ts'
import { failpoint } from '../failpoints.ts'

export interface ApplyRequest {
  /** The blob as it is stored, compressed or not. */
  diff: Descriptor
  /** Where it is stored. */
  blobPath: string
  /** Absent: its first bytes decide. */
  mayBeCompressed?: boolean
  /** As the snapshotter's `prepare` gave them. */
  mounts: readonly Mount[]
  syncFs: boolean
  signal: AbortSignal
}

/** Nothing in use is that large; it bounds what a few compressed bytes can grow to. */
const LAYER_BYTES_MAX = 2 ** 40

/**
 * Resolves to the descriptor of the uncompressed archive, whose digest is the layer's diff id: compare it with the image
 * config's. On failure the snapshot holds a part of the layer and is to be removed. Throws Failure naming the layer and the entry.
 */
export async function applyLayer(workers: LayerWorkers, request: ApplyRequest): Promise<Descriptor> {
  const { diff, signal } = request
  const target = findTarget(request.mounts)
  const cancelled = new Int32Array(new SharedArrayBuffer(4))
  const cancel = () => Atomics.store(cancelled, 0, 1)
  const blob = await open(request.blobPath, 'r')
  try {
    signal.throwIfAborted()
    signal.addEventListener('abort', cancel)
    const answer = await workers.run({
      blob: blob.fd,
      mayBeCompressed: request.mayBeCompressed ?? true,
      target,
      sizeBytesMax: LAYER_BYTES_MAX,
      syncFs: request.syncFs,
      cancelled,
    })
    failpoint('apply.answered')
    if (!answer.ok) throw new Failure(answer.code, `failed to extract layer ${diff.digest}: ${answer.message}`)
    return {
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: parseDigest(answer.digest),
      size: answer.sizeBytes,
    }
  } finally {
    signal.removeEventListener('abort', cancel)
    await blob.close()
  }
}
