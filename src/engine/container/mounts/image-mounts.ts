// Mounts of the kind `image`: a read-only view of another image, which lives as long as the container has it.
import type { UndoStack } from '../../../base/undo-stack.ts'
import { AT_EMPTY_PATH, OPEN_TREE_CLONE } from '../../../linux/constants.ts'
import { isFailure } from '../../../base/failure.ts'
import type { Engine } from '../../engine.ts'
import type { Image } from '../../image/image-store.ts'
import { takeLease } from '../../image/lease.ts'
import { requireUnpacked } from '../../image/unpack-later.ts'
import type { Container } from '../container.ts'
import type { IdMap } from '../../userns/id-map.ts'
import { mapOf } from '../../userns/map-of-container.ts'
import { layersOf, mappedFrom, openLayers } from '../read-user-files.ts'
import { describeMounts, removeSnapshot, SNAPSHOTTER, viewSnapshot } from '../tasks.ts'
import type { ContainerMount } from './container-mount.ts'
import { openBelow } from './open-below.ts'
import { bindTemporarily, mountTemporarily, temporaryMountPath } from './temporary-mounts.ts'

/** Begins with the container's id, by which the sweep knows whose it is. */
function snapshotKey(container: Container, mount: ContainerMount): string {
  return `${container.id}-image-${container.record.mountPoints.indexOf(mount)}`
}

function imageMountsOf(container: Container): ContainerMount[] {
  return container.record.mountPoints.filter(({ type }) => type === 'image')
}

/** Throws not-found where there is no such image. */
export async function makeImageMounts(engine: Engine, container: Container, undo: UndoStack): Promise<void> {
  for (const mount of imageMountsOf(container)) {
    const image = await engine.images.require(mount.name)
    const key = snapshotKey(container, mount)
    undo.defer(() => removeSnapshot(engine, key))
    await viewImage(engine, key, image, mapOf(engine, container))
    mount.source = temporaryMountPath(engine, container.id, key.slice(container.id.length + 1))
  }
}

async function viewImage(engine: Engine, key: string, image: Image, map: IdMap | undefined): Promise<void> {
  const view = () => viewSnapshot(engine, key, image.chainId, map)
  await view().catch(async (error) => {
    if (!isFailure(error, 'not-found')) throw error
    await using lease = await takeLease(engine.containerd, engine.id, engine.clock.now())
    await requireUnpacked(engine, lease, image)
    await view()
  })
}

/** Answers the path to bind into the container, for as long as it starts. */
export async function mountImage(engine: Engine, container: Container, mount: ContainerMount): Promise<string> {
  const { kernel } = engine
  const { mounts } = await engine.containerd.snapshots.mounts({
    snapshotter: SNAPSHOTTER,
    key: snapshotKey(container, mount),
  })
  const layers = layersOf(describeMounts(mounts), false)
  const map = mapOf(engine, container)
  const opened = openLayers(kernel, layers, [], mappedFrom(0, map))
  try {
    const isMount = layers.length > 1 || map !== undefined
    const tree = isMount ? opened : kernel.openTree(opened, '', OPEN_TREE_CLONE | AT_EMPTY_PATH)
    try {
      mountTemporarily(engine, mount.source, tree)
    } finally {
      if (!isMount) kernel.close(tree)
    }
  } finally {
    kernel.close(opened)
  }
  const subpath = mount.spec.ImageOptions?.Subpath
  return subpath ? bindSubpath(engine, mount.source, subpath, `${mount.source}-part`) : mount.source
}

/** Binds what is at `subpath` now, whatever becomes of that name. Answers `path`. */
export function bindSubpath(engine: Engine, base: string, subpath: string, path: string): string {
  const found = openBelow(engine.kernel, base, subpath)
  try {
    bindTemporarily(engine, path, found)
    return path
  } finally {
    engine.kernel.close(found)
  }
}

export async function removeImageMounts(engine: Engine, container: Container): Promise<void> {
  for (const mount of imageMountsOf(container)) await removeSnapshot(engine, snapshotKey(container, mount))
}
