// The volumes of a container that is being created: found or made, and filled with what its image has there.
import { fstatSync, readdirSync } from 'node:fs'
import { Failure, isFailure } from '../../../base/failure.ts'
import type { UndoStack } from '../../../base/undo-stack.ts'
import { O_PATH, RESOLVE_IN_ROOT } from '../../../linux/constants.ts'
import type { Fd, Kernel } from '../../../linux/kernel.ts'
import { hasErrno } from '../../../linux/kernel-error.ts'
import type { Engine } from '../../engine.ts'
import { asAnonymous, createVolume } from '../../volume/create.ts'
import { mapOf } from '../../userns/map-of-container.ts'
import { removeVolume } from '../../volume/remove.ts'
import { LOCAL_DRIVER } from '../../volume/volume.ts'
import type { Container, SnapshotMount } from '../container.ts'
import { layersOf, openLayers } from '../read-user-files.ts'
import { type ContainerMount, holderOf, isAnonymous } from './container-mount.ts'
import { copyUp } from './copy-up.ts'
import { openBelow } from './open-below.ts'

/** The container has no record on disk yet: anonymous volumes go with the undoing, and after a crash with the next engine's sweep. */
export async function makeVolumes(
  engine: Engine,
  container: Container,
  snapshot: readonly SnapshotMount[],
  undo: UndoStack,
): Promise<void> {
  const wanted = container.record.mountPoints.filter((mount) => mount.type === 'volume' && mount.source === '')
  for (const mount of wanted) {
    const { volume, isNew } = await createVolume(engine, requestOf(mount, container.id))
    if (isNew && isAnonymous(mount))
      undo.defer(async () => {
        engine.containers.delete(container) // it refers to the volume
        await removeVolume(engine, volume.name, { isForced: true })
      })
    mount.driver = volume.driver
    mount.source = volume.mountpoint
    if (volume.driver === LOCAL_DRIVER && mount.mode === '' && !isDeclared(mount)) mount.mode = 'z'
  }
  const layers = layersOf(snapshot, false)
  if (layers.length === 0 || !container.record.mountPoints.some(isFilled)) return
  const root = openLayers(engine.kernel, layers)
  try {
    for (const mount of container.record.mountPoints)
      if (isFilled(mount)) await fill(engine, container, mount, { root, layers })
  } finally {
    engine.kernel.close(root)
  }
}

/** Of an image's VOLUME, or of a path without a source: nothing was said of how it is to be mounted. */
function isDeclared({ spec }: ContainerMount): boolean {
  return spec.Type === undefined
}

function isFilled(mount: ContainerMount): boolean {
  return mount.type === 'volume' && mount.copiesUp
}

function requestOf(mount: ContainerMount, containerId: string): Parameters<typeof createVolume>[1] {
  const { VolumeOptions: options } = mount.spec
  const request = {
    name: mount.name,
    driver: mount.driver,
    options: options?.DriverConfig?.Options ?? null,
    labels: options?.Labels ?? null,
  }
  return isAnonymous(mount) ? { ...asAnonymous(request, mount.name), unclaimedBy: containerId } : request
}

interface ImageTree {
  root: Fd
  layers: readonly string[]
}

/** Before the first start the container's own layer is empty, so the image's layers are all there is. */
async function fill(engine: Engine, container: Container, mount: ContainerMount, image: ImageTree): Promise<void> {
  const { kernel } = engine
  const path = mount.destination.replace(/^\/+/, '') || '.'
  if (!lookAt(kernel, image.root, path, mount)) return
  const holder = holderOf(container.id, mount)
  const data = await engine.volumes.mount(mount.name, holder)
  try {
    const target = openIfThere(() => openBelow(kernel, data, mount.spec.VolumeOptions?.Subpath || '.'))
    if (target === undefined) return // a subpath that is not there is an error at the start
    try {
      if (readdirSync(`/proc/self/fd/${target}`).length === 0)
        await copyUp(kernel, image.layers, path, target, mapOf(engine, container))
    } finally {
      kernel.close(target)
    }
  } finally {
    await engine.volumes.unmount(mount.name, holder)
  }
}

/** False where the image has nothing there. A file is no place for a volume. */
function lookAt(kernel: Kernel, root: Fd, path: string, mount: ContainerMount): boolean {
  const found = openIfThere(() => kernel.openat2(root, path, { flags: O_PATH, resolve: RESOLVE_IN_ROOT }))
  if (found === undefined) return false
  try {
    if (!fstatSync(found).isDirectory()) throw notDirectory(mount)
    return true
  } finally {
    kernel.close(found)
  }
}

function openIfThere(open: () => Fd): Fd | undefined {
  try {
    return open()
  } catch (error) {
    if (isFailure(error, 'not-found') || hasErrno(error, 'ENOTDIR')) return undefined
    throw error
  }
}

function notDirectory(mount: ContainerMount): Failure {
  const text = isDeclared(mount)
    ? `cannot mount volume over existing file, file exists ${mount.destination}`
    : `source ${mount.destination} is not directory`
  return new Failure('unknown', text)
}

/** The container's record is written: from now on its volumes are kept until a user says otherwise. */
export function claimVolumes(engine: Engine, container: Container): void {
  engine.volumes.claim(container.record.mountPoints.filter(isAnonymous).map(({ name }) => name))
}

/** Before the record goes: anonymous volumes that no other container has go with it, even if a crash comes in between. Answers their names. */
export function unclaimVolumes(engine: Engine, container: Container): string[] {
  const mine = container.record.mountPoints.filter(isAnonymous).map(({ name }) => name)
  const others = engine.containers.list().filter((other) => other !== container)
  const used = new Set(others.flatMap((other) => other.record.mountPoints.map((mount) => mount.name)))
  const alone = mine.filter((name) => !used.has(name))
  engine.volumes.unclaim(alone, container.id)
  return alone
}
