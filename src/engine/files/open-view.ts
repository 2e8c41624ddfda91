// Makes a thread see what its job is about: all mounts are made and all sources opened while it still sees the host.
import { chmodSync, chownSync, mkdirSync, statSync, utimesSync } from 'node:fs'
import {
  AT_EMPTY_PATH,
  AT_RECURSIVE,
  CLONE_NEWNS,
  MOUNT_ATTR_RDONLY,
  MS_PRIVATE,
  MS_REC,
  O_PATH,
  OPEN_TREE_CLONE,
} from '../../linux/constants.ts'
import { AT_FDCWD, type Fd, type Kernel } from '../../linux/kernel.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import { openInRoot } from '../../linux/read-file-in-root.ts'
import { enterTrees } from '../../linux/thread-mounts.ts'
import {
  enterForeignNamespace,
  enterNamespace,
  enterNamespaceRoot,
  enterView,
  type ViewMount,
  withProc,
} from '../../linux/thread-view.ts'
import { mapIdsOf } from '../../linux/user-namespace.ts'
import { type MappedLayers, type OverlayOption, openLayers } from '../container/read-user-files.ts'
import type { ComparedLayers, SourceMount, View } from './files-job.ts'

type LayersView = Extract<View, { kind: 'layers' }>

/** Call it in a worker, once. From here on `/` is the container's. */
export function openView(kernel: Kernel, view: View): void {
  if (view.kind === 'namespace') {
    const upperDirectory = Buffer.from(view.upperDirectory).toString('latin1')
    if (view.ids !== undefined) enterForeignNamespace(kernel, view.namespace, upperDirectory, view.isRootOnly)
    else (view.isRootOnly ? enterNamespaceRoot : enterNamespace)(kernel, view.namespace, upperDirectory)
    return
  }
  withProc((proc) => {
    const mounts = view.mounts.flatMap((mount) => openSource(kernel, mount))
    enterView(kernel, proc, openTop(kernel, view, mounts), mounts)
  })
}

/** The thread sees the trees as `/lower` and `/upper`, both read-only. */
export function openComparedTrees(kernel: Kernel, layers: ComparedLayers): void {
  const { userNamespace } = layers
  const seen = layers.overlayPrefix === undefined ? [layers.upper, ...layers.lowers] : [layers.upper]
  const upper = userNamespace === undefined ? openUnion(kernel, seen) : openTurned(kernel, seen, userNamespace)
  const lower = layers.lowers.length === 0 ? [] : [{ mount: openUnion(kernel, layers.lowers), target: '' }]
  enterTrees(kernel, { lower, upper: [{ mount: upper, target: '' }] })
}

/** A volume whose directory is gone shows nothing. */
function openSource(kernel: Kernel, { source, target, isReadOnly, isRecursive }: SourceMount): ViewMount[] {
  const recursive = isRecursive ? AT_RECURSIVE : 0
  const stats = statSync(source, { throwIfNoEntry: false })
  if (stats === undefined) return []
  const mount = kernel.openTree(AT_FDCWD, source, OPEN_TREE_CLONE | recursive)
  isolate(kernel, mount, { isReadOnly, recursive })
  return [{ mount, target, isDirectory: stats.isDirectory() }]
}

/**
 * A container that does not run can be started at any moment, which makes an overlay over the same directories: whoever only reads mounts them as
 * layers, and mount points that are missing are made in memory.
 */
function openTop(kernel: Kernel, view: LayersView, mounts: readonly ViewMount[]): Fd {
  const { layers, writable } = view
  const isMapped = view.userNamespace !== undefined
  const mapped = (first: number) =>
    view.userNamespace === undefined ? undefined : { first, userNamespace: view.userNamespace }
  if (writable !== undefined)
    return writable.length === 0
      ? openUnion(kernel, layers, false)
      : openLayers(kernel, layers.slice(1), writable, mapped(0))
  const union = openUnion(kernel, layers, true, mapped(1))
  if (mounts.every(({ target }) => isThere(kernel, union, target))) return union
  kernel.close(union)
  return openLayers(kernel, layers, makeScratch(kernel, layers[0] ?? '', isMapped ? '/sys' : SCRATCH), mapped(1))
}

function isThere(kernel: Kernel, root: Fd, path: string): boolean {
  const found = openInRoot(kernel, root, path, O_PATH)
  if (found !== undefined) kernel.close(found)
  return found !== undefined
}

/** In memory, in sight of this thread alone, over something that nobody needs any more. */
function makeScratch(kernel: Kernel, top: string, scratch: string): OverlayOption[] {
  const { mode, uid, gid, mtime } = statSync(top)
  kernel.unshare(CLONE_NEWNS)
  kernel.mount(undefined, '/', undefined, MS_REC | MS_PRIVATE)
  kernel.mount('scratch', scratch, 'tmpfs', 0, 'mode=0700')
  mkdirSync(`${scratch}/work`)
  mkdirSync(`${scratch}/upper`)
  // The root of the view has the attributes of its topmost layer.
  chownSync(`${scratch}/upper`, uid, gid)
  chmodSync(`${scratch}/upper`, mode)
  utimesSync(`${scratch}/upper`, mtime, mtime)
  return [
    ['upperdir', `${scratch}/upper`],
    ['workdir', `${scratch}/work`],
  ]
}

/** Layers that are mapped are found by /proc; else: every machine has it, no layer lies below it, and a bind of it has been opened before. */
const SCRATCH = '/proc'

function openUnion(kernel: Kernel, layers: readonly string[], isReadOnly = true, mapped?: MappedLayers): Fd {
  const [only] = layers
  const tree =
    layers.length === 1 && only !== undefined
      ? kernel.openTree(AT_FDCWD, only, OPEN_TREE_CLONE)
      : openFollowing(kernel, layers, mapped)
  isolate(kernel, tree, { isReadOnly, recursive: 0 })
  return tree
}

/** As the overlay that wrote the topmost layer may have been mounted: with directories renamed, with files that are attributes alone. */
function openFollowing(kernel: Kernel, layers: readonly string[], mapped?: MappedLayers): Fd {
  try {
    const options = [
      ['redirect_dir', 'follow'],
      ['metacopy', 'on'],
    ] as const
    return openLayers(kernel, layers, options, mapped)
  } catch (error) {
    if (!hasErrno(error, 'EINVAL')) throw error
    return openLayers(kernel, layers, [], mapped)
  }
}

/** The first one's ids are turned into the others', which are as on disk. */
function openTurned(kernel: Kernel, [upper = '', ...lowers]: readonly string[], userNamespace: Fd): Fd {
  const own = kernel.openTree(AT_FDCWD, upper, OPEN_TREE_CLONE)
  try {
    mapIdsOf(kernel, own, userNamespace)
    if (lowers.length === 0) {
      isolate(kernel, own, { isReadOnly: true, recursive: 0 })
      return own
    }
    return openUnion(kernel, [`/proc/self/fd/${own}`, ...lowers])
  } finally {
    if (lowers.length > 0) kernel.close(own)
  }
}

/** A copy of a mount of the host's is one of its peers: what were mounted over it, or unmounted, would be so on the host as well. */
function isolate(
  kernel: Kernel,
  tree: Fd,
  { isReadOnly, recursive }: { isReadOnly: boolean; recursive: number },
): void {
  const attributes = {
    set: isReadOnly ? BigInt(MOUNT_ATTR_RDONLY) : 0n,
    clear: 0n,
    propagation: BigInt(MS_PRIVATE),
  }
  kernel.mountSetattr(tree, '', AT_EMPTY_PATH | recursive, attributes)
}
