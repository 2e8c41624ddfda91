// The image's user database, read before the container exists: /etc/passwd and /etc/group through descriptors, resolved inside the root.
//
// The files are an image author's or a running container's, so: regular files only, bounded, no waiting on a fifo, no way out over links.
import { AT_FDCWD, O_DIRECTORY, O_PATH, OPEN_TREE_CLONE } from '../../linux/constants.ts'
import type { Fd, Kernel } from '../../linux/kernel.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import { withMappedLayers } from '../../linux/mapped-layers.ts'
import { readFileInRoot } from '../../linux/read-file-in-root.ts'
import { mapIdsOf } from '../../linux/user-namespace.ts'
import type { Engine } from '../engine.ts'
import type { IdMap } from '../userns/id-map.ts'
import { namespaceOf } from '../userns/map-of-container.ts'
import type { Container, SnapshotMount } from './container.ts'

export interface UserFiles {
  passwd: string
  group: string
}

const FILE_BYTES_MAX = 1 << 20
const CACHED_IMAGES_MAX = 32
/** Per engine and chain id: an image's layers never change. */
const cache = new WeakMap<Engine, Map<string, UserFiles>>()

/** Before the first start the container has only what its image has; after it, its own layer counts. */
export function readUserFiles(engine: Engine, container: Container, mounts: readonly SnapshotMount[]): UserFiles {
  const { chainId } = container.record.image
  if (container.record.hasRun || chainId === undefined) return readFromMounts(engine.kernel, mounts, true)
  const known = cache.get(engine) ?? new Map<string, UserFiles>()
  cache.set(engine, known)
  let files = known.get(chainId)
  if (files === undefined) {
    files = readFromMounts(engine.kernel, mounts, false)
    if (known.size >= CACHED_IMAGES_MAX) known.delete(known.keys().next().value!)
    known.set(chainId, files)
  }
  return files
}

/** As the processes of a running container see it. Rejects as BoundedFiles does: anything may be mounted there. */
export async function readUserFilesOfProcess(engine: Engine, pid: number, signal?: AbortSignal): Promise<UserFiles> {
  const root = engine.kernel.openat2(AT_FDCWD, `/proc/${pid}/root`, { flags: O_PATH | O_DIRECTORY })
  try {
    const read = async (path: string) => (await engine.bounded.read(root, path, FILE_BYTES_MAX, signal)) ?? ''
    const [passwd, group] = await Promise.all([read('/etc/passwd'), read('/etc/group')])
    return { passwd, group }
  } finally {
    engine.kernel.close(root)
  }
}

function readFromMounts(kernel: Kernel, mounts: readonly SnapshotMount[], withUpper: boolean): UserFiles {
  const layers = layersOf(mounts, withUpper)
  if (layers.length === 0) return { passwd: '', group: '' }
  return withRoot(kernel, openLayers(kernel, layers))
}

function withRoot(kernel: Kernel, root: Fd): UserFiles {
  try {
    // Missing, a loop of links, no file at all: Docker, too, goes on with what it can read.
    const read = (path: string) => readFileInRoot(kernel, root, path, FILE_BYTES_MAX) ?? ''
    return { passwd: read('etc/passwd'), group: read('etc/group') }
  } finally {
    kernel.close(root)
  }
}

/** Directories from the topmost down. */
export function layersOf(mounts: readonly SnapshotMount[], withUpper: boolean): string[] {
  const mount = mounts[0]
  if (mount === undefined) return []
  if (mount.type !== 'overlay') return [mount.source]
  const option = (name: string) => mount.options.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1)
  const upper = withUpper ? option('upperdir') : undefined
  const lowers = (option('lowerdir')?.match(/(?:\\.|[^:\\])+/g) ?? []).map((path) => path.replace(/\\(.)/g, '$1'))
  return upper === undefined ? lowers : [upper, ...lowers]
}

const MAP = /^[ug]idmap=/

export type OverlayOption = readonly [key: string, value: string | undefined]

/** What an overlay is mounted with beside its lower directories; nothing of a mount of another type. */
export function overlayOptions(mounts: readonly SnapshotMount[]): OverlayOption[] {
  const [mount] = mounts
  if (mount?.type !== 'overlay') return []
  const own = mount.options.filter((option) => !option.startsWith('lowerdir=') && option !== 'rw' && !MAP.test(option))
  return own.map((option): OverlayOption => {
    const equals = option.indexOf('=')
    return equals < 0 ? [option, undefined] : [option.slice(0, equals), option.slice(equals + 1)]
  })
}

/** Layers from `first` on are an image's, and seen as the container has them. */
export interface MappedLayers {
  first: number
  userNamespace: Fd
}

export function mappedFrom(first: number, map: IdMap | undefined): MappedLayers | undefined {
  return map && { first, userNamespace: namespaceOf(map) }
}

/** A union of them all that nobody else sees, read-only unless `options` name an upper directory; a single layer without options needs no mount. */
export function openLayers(
  kernel: Kernel,
  layers: readonly string[],
  options: readonly OverlayOption[] = [],
  mapped?: MappedLayers,
): Fd {
  const [own, images] = [layers.slice(0, mapped?.first), layers.slice(mapped?.first)]
  if (mapped !== undefined && images.length > 0) {
    if (layers.length === 1 && options.length === 0) return openMapped(kernel, images[0]!, mapped.userNamespace)
    return withMappedLayers(kernel, images, mapped.userNamespace, (paths) =>
      openLayers(kernel, [...own, ...paths], options),
    )
  }
  if (layers.length === 1 && options.length === 0)
    return kernel.openat2(AT_FDCWD, layers[0]!, { flags: O_PATH | O_DIRECTORY })
  const mount = (directories: readonly (readonly [string, string])[]) =>
    kernel.mountDetached({ fstype: 'overlay', source: 'overlay', options: [...directories, ...options], attributes: 0 })
  try {
    return mount(layers.map((path) => ['lowerdir+', path] as const)) // kernel 6.7: free of the limit on one option's length
  } catch (error) {
    if (!hasErrno(error, 'EINVAL')) throw error
    return mount([['lowerdir', layers.join(':')]])
  }
}

/** A mount, unlike a single layer that is as it is. */
function openMapped(kernel: Kernel, layer: string, userNamespace: Fd): Fd {
  const tree = kernel.openTree(AT_FDCWD, layer, OPEN_TREE_CLONE)
  try {
    mapIdsOf(kernel, tree, userNamespace)
    return tree
  } catch (error) {
    kernel.close(tree)
    throw error
  }
}
