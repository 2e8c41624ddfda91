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
import { enterNamespace, enterNamespaceRoot, enterView, type ViewMount, withProc } from '../../linux/thread-view.ts'
import { type OverlayOption, openLayers } from '../container/read-user-files.ts'
import type { ComparedLayers, SourceMount, View } from './files-job.ts'

type LayersView = Extract<View, { kind: 'layers' }>

/** Call it in a worker, once. From here on `/` is the container's. */
export function openView(kernel: Kernel, view: View): void {
  if (view.kind === 'namespace') {
    const enter = view.isRootOnly ? enterNamespaceRoot : enterNamespace
    enter(kernel, view.namespace, Buffer.from(view.upperDirectory).toString('latin1'))
    return
  }
  withProc((proc) => {
    const mounts = view.mounts.flatMap((mount) => openSource(kernel, mount))
    enterView(kernel, proc, openTop(kernel, view, mounts), mounts)
  })
}

/** The thread sees the trees as `/lower` and `/upper`, both read-only. */
export function openComparedTrees(kernel: Kernel, layers: ComparedLayers): void {
  const upper = openUnion(
    kernel,
    layers.overlayPrefix === undefined ? [layers.upper, ...layers.lowers] : [layers.upper],
  )
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
  if (writable !== undefined)
    return writable.length === 0 ? openUnion(kernel, layers, false) : openLayers(kernel, layers.slice(1), writable)
  const union = openUnion(kernel, layers)
  if (mounts.every(({ target }) => isThere(kernel, union, target))) return union
  kernel.close(union)
  return openLayers(kernel, layers, makeScratch(kernel, layers[0] ?? ''))
}

function isThere(kernel: Kernel, root: Fd, path: string): boolean {
  const found = openInRoot(kernel, root, path, O_PATH)
  if (found !== undefined) kernel.close(found)
  return found !== undefined
}

/** In memory, in sight of this thread alone, over something that nobody needs any more. */
function makeScratch(kernel: Kernel, top: string): OverlayOption[] {
  const { mode, uid, gid, mtime } = statSync(top)
  kernel.unshare(CLONE_NEWNS)
  kernel.mount(undefined, '/', undefined, MS_REC | MS_PRIVATE)
  kernel.mount('scratch', SCRATCH, 'tmpfs', 0, 'mode=0700')
  mkdirSync(`${SCRATCH}/work`)
  mkdirSync(`${SCRATCH}/upper`)
  // The root of the view has the attributes of its topmost layer.
  chownSync(`${SCRATCH}/upper`, uid, gid)
  chmodSync(`${SCRATCH}/upper`, mode)
  utimesSync(`${SCRATCH}/upper`, mtime, mtime)
  return [
    ['upperdir', `${SCRATCH}/upper`],
    ['workdir', `${SCRATCH}/work`],
  ]
}

/** Every machine has it, no layer lies below it, and a bind of it has been opened before. */
const SCRATCH = '/proc'

function openUnion(kernel: Kernel, layers: readonly string[], isReadOnly = true): Fd {
  const [only] = layers
  const tree =
    layers.length === 1 && only !== undefined
      ? kernel.openTree(AT_FDCWD, only, OPEN_TREE_CLONE)
      : openFollowing(kernel, layers)
  isolate(kernel, tree, { isReadOnly, recursive: 0 })
  return tree
}

/** As the overlay that wrote the topmost layer may have been mounted: with directories renamed, with files that are attributes alone. */
function openFollowing(kernel: Kernel, layers: readonly string[]): Fd {
  try {
    return openLayers(kernel, layers, [
      ['redirect_dir', 'follow'],
      ['metacopy', 'on'],
    ])
  } catch (error) {
    if (!hasErrno(error, 'EINVAL')) throw error
    return openLayers(kernel, layers)
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
