// A container's root file system as a detached mount: it is in nobody's mount table until the container's own, and vanishes with its last descriptor.
import { mkdirSync } from 'node:fs'
import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT } from '../../linux/constants.ts'
import { AT_FDCWD, type Fd, type Kernel } from '../../linux/kernel.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import { withMappedLayers } from '../../linux/mapped-layers.ts'
import { mapIdsOf, sharedUserNamespace } from '../../linux/user-namespace.ts'

/** containerd.types.Mount. */
export interface RootfsMount {
  type: string
  source: string
  target: string
  options: readonly string[]
}

const MOUNT_ATTR_RDONLY = 1n
const OPEN_TREE_CLONE = 1
const AT_RECURSIVE = 0x8000
const AT_EMPTY_PATH = 0x1000
const MNT_DETACH = 2

/**
 * @param directory the spec's root.path, used as it is where there are no mounts.
 * @returns the descriptor; the caller closes it.
 */
export function openRootfs(kernel: Kernel, mounts: readonly RootfsMount[], directory: string): Fd {
  const [mount, ...more] = mounts
  if (mount === undefined) return kernel.openTree(AT_FDCWD, directory, OPEN_TREE_CLONE | AT_RECURSIVE)
  if (more.length === 0 && mount.target === '') return openMount(kernel, mount)
  // Onto a detached mount nothing can be mounted before Linux 6.15: several come together in sight of all, for a moment.
  mountRootfs(kernel, mounts, directory)
  try {
    return kernel.openTree(AT_FDCWD, directory, OPEN_TREE_CLONE | AT_RECURSIVE)
  } finally {
    unmountAll(kernel, directory)
  }
}

/** Mounts them in the caller's own mount table, one on the other, for a runtime that wants to find a directory. `unmountAll` takes them away. */
export function mountRootfs(kernel: Kernel, mounts: readonly RootfsMount[], directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o711 })
  try {
    for (const mount of mounts) mountInto(kernel, mount, directory)
  } catch (error) {
    unmountAll(kernel, directory)
    throw error
  }
}

/** A target of the mount's own is looked for below, and its links are not followed out of there. */
function mountInto(kernel: Kernel, mount: RootfsMount, directory: string): void {
  const root = kernel.openat2(AT_FDCWD, directory, { flags: O_PATH | O_DIRECTORY })
  try {
    const flags = O_PATH | O_DIRECTORY
    const target = kernel.openat2(root, mount.target || '.', { flags, resolve: RESOLVE_IN_ROOT })
    const tree = openMount(kernel, mount)
    try {
      kernel.moveMount(tree, '', target, '', 0)
    } finally {
      kernel.close(tree)
      kernel.close(target)
    }
  } finally {
    kernel.close(root)
  }
}

/** One mount may lie on another; that there is none is no error. */
export function unmountAll(kernel: Pick<Kernel, 'umount'>, directory: string): void {
  for (;;)
    try {
      kernel.umount(directory, MNT_DETACH)
    } catch (error) {
      if (hasErrno(error, 'EINVAL', 'ENOENT')) return
      throw error
    }
}

/** A detached mount; the caller closes it. Its paths are looked up in the caller's root, and its target is the caller's matter. */
export function openMount(kernel: Kernel, mount: RootfsMount): Fd {
  switch (mount.type) {
    case 'overlay':
      return isMapped(mount) ? openMappedOverlay(kernel, mount) : openOverlay(kernel, mount.options)
    case 'bind':
      return isMapped(mount) ? openMappedBind(kernel, mount) : openBind(kernel, mount)
    default:
      return kernel.mountDetached({
        fstype: mount.type,
        source: mount.source,
        options: mount.options.map(splitOption),
        attributes: 0,
      })
  }
}

function openBind(kernel: Kernel, mount: RootfsMount): Fd {
  const recursive = mount.options.includes('rbind')
  const tree = kernel.openTree(AT_FDCWD, mount.source, OPEN_TREE_CLONE | (recursive ? AT_RECURSIVE : 0))
  try {
    if (mount.options.includes('ro'))
      kernel.mountSetattr(tree, '', AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), {
        set: MOUNT_ATTR_RDONLY,
        clear: 0n,
        propagation: 0n,
      })
    return tree
  } catch (error) {
    kernel.close(tree)
    throw error
  }
}

/** Snapshots for a user namespace (snapshots/id-maps.ts): `uidmap=` and `gidmap=`, of use only together. */
function isMapped({ options }: RootfsMount): boolean {
  return ['uidmap=', 'gidmap='].every((key) => options.some((option) => option.startsWith(key)))
}

function withoutMaps(options: readonly string[]): string[] {
  return options.filter((option) => !/^[ug]idmap=/.test(option))
}

function namespaceOf({ options }: RootfsMount): Fd {
  const [uids = '', gids = ''] = ['uidmap', 'gidmap'].map((key) => pairOf(options, key))
  return sharedUserNamespace(uids, gids)
}

function pairOf(options: readonly string[], key: string): string | undefined {
  return options.map(splitOption).find(([name]) => name === key)?.[1]
}

function openMappedBind(kernel: Kernel, mount: RootfsMount): Fd {
  const tree = openBind(kernel, { ...mount, options: withoutMaps(mount.options) })
  try {
    mapIdsOf(kernel, tree, namespaceOf(mount))
    return tree
  } catch (error) {
    kernel.close(tree)
    throw error
  }
}

function openMappedOverlay(kernel: Kernel, mount: RootfsMount): Fd {
  const layers = splitLowers(pairOf(mount.options, 'lowerdir') ?? '')
  const others = withoutMaps(mount.options).filter((option) => !option.startsWith('lowerdir='))
  return withMappedLayers(kernel, layers, namespaceOf(mount), (lowers) =>
    openOverlay(kernel, [`lowerdir=${lowers.join(':')}`, ...others]),
  )
}

/** Lower layers go in one by one (`lowerdir+`, kernel 6.7), free of the one-page limit; older kernels get the joined list. */
function openOverlay(kernel: Kernel, options: readonly string[]): Fd {
  const pairs = options.map(splitOption)
  const lowers = pairs.filter(([key]) => key === 'lowerdir').flatMap(([, value]) => splitLowers(value ?? ''))
  const others = pairs.filter(([key]) => key !== 'lowerdir')
  const request = (lower: readonly (readonly [string, string])[]) => ({
    fstype: 'overlay',
    source: 'overlay',
    options: [...lower, ...others],
    attributes: 0,
  })
  try {
    return kernel.mountDetached(request(lowers.map((path) => ['lowerdir+', path] as const)))
  } catch (error) {
    if (!hasErrno(error, 'EINVAL')) throw error
    return kernel.mountDetached(request([['lowerdir', lowers.join(':')]]))
  }
}

function splitOption(option: string): readonly [string, string | undefined] {
  const equals = option.indexOf('=')
  return equals < 0 ? [option, undefined] : [option.slice(0, equals), option.slice(equals + 1)]
}

/** A colon inside a path is escaped by a backslash (overlayfs.rst). */
function splitLowers(list: string): string[] {
  return (list.match(/(?:\\.|[^:\\])+/g) ?? []).map((path) => path.replace(/\\(.)/g, '$1'))
}
