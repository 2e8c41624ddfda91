// An image whose layers are unpacked behind the answer that tells of it, as a commit's are (docs/decisions/commit-layers.md). Whoever needs its
// snapshots waits for that, or does it where it has failed or a crash has cut it short.
import { messageOf } from '../../base/failure.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Engine } from '../engine.ts'
import type { ImageContent } from './image-store.ts'
import type { Lease } from './lease.ts'
import { unpackImage } from './unpack-image.ts'

/** By the chain id of the topmost layer. */
const underWay = new Map<Digest, Promise<void>>()

const NEVER = new AbortController().signal

/** @param lease holds all of the image; it is ended here. */
export function unpackLater(engine: Engine, lease: Lease, image: ImageContent): void {
  const { chainId, id } = image
  const work = unpackImage(engine, lease, image, NEVER)
    .finally(() => lease[Symbol.asyncDispose]())
    .catch((error) => {
      if (!engine.phase.isEnding) engine.log.warn('image is not unpacked', { image: id, error: messageOf(error) })
    })
  if (chainId === undefined) return
  underWay.set(chainId, work)
  void work.then(() => {
    if (underWay.get(chainId) === work) underWay.delete(chainId)
  })
}

/** Resolves when it is no longer under way, at once where it is not. */
export async function unpackedBy(chainId: Digest): Promise<void> {
  await underWay.get(chainId)
}

/** For who has found a snapshot of the image missing: all are there afterwards, and the lease's. Throws what hinders it. */
export async function requireUnpacked(engine: Engine, lease: Lease, image: ImageContent): Promise<void> {
  if (image.chainId !== undefined) await unpackedBy(image.chainId)
  await unpackImage(engine, lease, image, NEVER)
}
