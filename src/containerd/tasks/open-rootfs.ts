// A container's root file system as a detached mount: it is in nobody's mount table until the container's own, and vanishes with its last descriptor.
import { Failure } from '../../base/failure.ts'
import { AT_FDCWD, type Fd, type Kernel } from '../../linux/kernel.ts'
import { hasErrno } from '../../linux/kernel-error.ts'

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

/**
 * @param directory the spec's root.path, used as it is where there are no mounts.
 * @returns the descriptor; the caller closes it.
 * Snapshotters answer with one mount for a root file system; more than one is refused in so many words.
 */
export function openRootfs(kernel: Kernel, mounts: readonly RootfsMount[], directory: string): Fd {
  const [mount, ...more] = mounts
  if (mount === undefined) return kernel.openTree(AT_FDCWD, directory, OPEN_TREE_CLONE | AT_RECURSIVE)
  if (more.length > 0 || mount.target !== '')
    throw new Failure('unimplemented', 'a root file system of several mounts is not supported')
  switch (mount.type) {
    case 'overlay':
      return openOverlay(kernel, mount.options)
    case 'bind':
      return openBind(kernel, mount)
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
