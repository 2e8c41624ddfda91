// The layer between an image and the containers made of it, as Docker has one: empty files and directories where every container gets something
// mounted, and `/.dockerenv`. It lies below the container's own layer, so that none of it is told as a change or committed. All containers of an
// image share it; it goes with the image.
import { randomBytes } from 'node:crypto'
import { isFailure } from '../../base/failure.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { AT_FDCWD, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY } from '../../linux/constants.ts'
import type { Fd, Kernel } from '../../linux/kernel.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import type { Engine } from '../engine.ts'
import type { IdMap } from '../userns/id-map.ts'
import type { ImageContent } from '../image/image-store.ts'
import { takeLease } from '../image/lease.ts'
import { requireUnpacked } from '../image/unpack-later.ts'
import type { SnapshotMount } from './container.ts'
import { layersOf, mappedFrom, openLayers, overlayOptions } from './read-user-files.ts'
import { prepareSnapshot, SNAPSHOTTER } from './tasks.ts'

const DIRECTORIES = ['/dev/pts', '/dev/shm', '/proc', '/sys']
const FILES = ['/.dockerenv', '/etc/resolv.conf', '/etc/hosts', '/etc/hostname', '/dev/console']
const LINKS = [['/etc/mtab', '/proc/mounts']] as const
const MODE = 0o755
/** On the image's topmost snapshot: keeps the layer for as long as the image is kept. */
const REFERENCE_LABEL = `containerd.io/gc.ref.snapshot.${SNAPSHOTTER}/init`

/** The snapshot that containers of this image are made on; it need not be there yet. */
function initLayerName(chainId: string | undefined): string {
  return `init-${chainId ?? 'scratch'}`
}

/** A container's writable layer, on its image's init layer. */
export async function prepareContainerLayer(
  engine: Engine,
  id: string,
  image: ImageContent,
  map?: IdMap,
): Promise<SnapshotMount[]> {
  const { chainId } = image
  const parent = initLayerName(chainId)
  try {
    return await prepareSnapshot(engine, id, parent, map)
  } catch (error) {
    if (!isFailure(error, 'not-found')) throw error
  }
  // Held until there is a container on it: a crash in the middle leaves a lease, which goes at the next start.
  await using lease = await takeLease(engine.containerd, engine.id, engine.clock.now())
  const make = () => makeInitLayer(engine.kernel, lease.client, chainId)
  await make().catch(async (error) => {
    if (!isFailure(error, 'not-found')) throw error
    await requireUnpacked(engine, lease, image)
    await make()
  })
  return await prepareSnapshot(engine, id, parent, map)
}

async function makeInitLayer(kernel: Kernel, client: ContainerdClient, chainId: string | undefined): Promise<void> {
  const { snapshots } = client
  const key = `init-${randomBytes(8).toString('hex')}`
  const name = initLayerName(chainId)
  const { mounts } = await snapshots.prepare({ snapshotter: SNAPSHOTTER, key, parent: chainId ?? '', labels: {} })
  try {
    fill(kernel, mounts)
    if (chainId !== undefined) await refer(client, chainId, name)
    await snapshots.commit({ snapshotter: SNAPSHOTTER, key, name, labels: {} })
  } catch (error) {
    await snapshots.remove({ snapshotter: SNAPSHOTTER, key }).catch(() => {}) // the lease lets go of it
    // Two containers of a new image at once: the other one's is as good.
    if (!isFailure(error, 'already-exists')) throw error
  }
}

async function refer({ snapshots }: ContainerdClient, chainId: string, name: string): Promise<void> {
  await snapshots.update({
    snapshotter: SNAPSHOTTER,
    info: { name: chainId, labels: { [REFERENCE_LABEL]: name } },
    updateMask: { paths: [`labels.${REFERENCE_LABEL}`] },
  })
}

/** The mount is seen by nobody and gone with its descriptor. */
function fill(kernel: Kernel, mounts: readonly Pick<SnapshotMount, 'type' | 'source' | 'target' | 'options'>[]): void {
  const root = openWritable(kernel, mounts)
  try {
    for (const path of DIRECTORIES) makeEntry(kernel, root, path, (parent, name) => makeDirectory(kernel, parent, name))
    for (const path of FILES) makeEntry(kernel, root, path, (parent, name) => makeFile(kernel, parent, name))
    for (const [path, target] of LINKS)
      makeEntry(kernel, root, path, (parent, name) => unlessThere(() => kernel.symlinkat(target, parent, name)))
  } finally {
    kernel.close(root)
  }
}

/** The caller closes it, and with it the mount. @param map of the snapshot's own */
export function openWritable(kernel: Kernel, mounts: readonly SnapshotMount[], map?: IdMap): Fd {
  const lowers = layersOf(mounts, false)
  const options = overlayOptions(mounts)
  if (options.length > 0) return openLayers(kernel, lowers, options, mappedFrom(0, map))
  return kernel.openat2(AT_FDCWD, mounts[0]?.source ?? '', { flags: O_PATH | O_DIRECTORY })
}

/** What the image has there goes unless it is a directory, links on the way too: nothing is followed. */
function makeEntry(kernel: Kernel, root: Fd, path: string, make: (parent: Fd, name: string) => void): void {
  const parts = path.split('/').slice(1)
  const opened: Fd[] = []
  try {
    let parent = root
    for (const [index, part] of parts.entries()) {
      removeUnlessDirectory(kernel, parent, part)
      if (index === parts.length - 1) return make(parent, part)
      makeDirectory(kernel, parent, part)
      parent = kernel.openat2(parent, part, { flags: O_PATH | O_DIRECTORY | O_NOFOLLOW })
      opened.push(parent)
    }
  } finally {
    for (const fd of opened) kernel.close(fd)
  }
}

function removeUnlessDirectory(kernel: Kernel, parent: Fd, name: string): void {
  try {
    kernel.unlinkat(parent, name, 0)
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'EISDIR', 'EPERM')) throw error
  }
}

function makeDirectory(kernel: Kernel, parent: Fd, name: string): void {
  unlessThere(() => kernel.mkdirat(parent, name, MODE))
}

function makeFile(kernel: Kernel, parent: Fd, name: string): void {
  unlessThere(() => kernel.close(kernel.openat2(parent, name, { flags: O_CREAT | O_EXCL | O_WRONLY, mode: MODE })))
}

function unlessThere(make: () => void): void {
  try {
    make()
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error
  }
}
