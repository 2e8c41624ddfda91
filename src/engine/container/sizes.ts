// How much disk a container takes: its own layer, and with its image's.
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { SNAPSHOTTER } from './tasks.ts'

export interface ContainerSizes {
  writableBytes: number
  totalBytes: number
}

export async function measureSizes(engine: Engine, container: Container): Promise<ContainerSizes> {
  const [usage, image] = await Promise.all([
    engine.containerd.snapshots.usage({ snapshotter: SNAPSHOTTER, key: container.id }),
    engine.images.find(container.record.image.id),
  ])
  const writableBytes = Number(usage.size)
  return { writableBytes, totalBytes: writableBytes + (image ? await engine.images.sizeBytes(image) : 0) }
}
