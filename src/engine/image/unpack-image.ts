// An image whose layers are all stored, unpacked so that containers can be made of it.
import type { Engine } from '../engine.ts'
import type { ImageContent } from './image-store.ts'
import { LayerUnpacker, type UnpackProgress } from './layer-unpacker.ts'
import type { Lease } from './lease.ts'

const SILENT: UnpackProgress = { extracting: () => {}, unpacked: () => {}, alreadyThere: () => {} }

/** The snapshots are the lease's until the image has a name. */
export async function unpackImage(
  engine: Engine,
  lease: Lease,
  { layers, config }: Pick<ImageContent, 'layers' | 'config'>,
  signal: AbortSignal,
  progress = SILENT,
): Promise<void> {
  await using unpacker = new LayerUnpacker({
    client: lease.client,
    progress,
    isParallel: engine.peer.isOwn,
    signal,
    hold: lease.holdSnapshot,
  })
  await unpacker.finish(layers, config)
}
