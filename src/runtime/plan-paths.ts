// Masked and read-only paths. A path that the kernel does not have is passed over.
import {
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  O_PATH,
} from '../linux/constants.ts'
import { ERRNO } from '../linux/kernel-error.ts'
import { ROOTFS_SLOT, type Slot } from '../linux/steps.ts'
import { containerPath } from './container-path.ts'
import { quoted, SLOT, type StepList } from './step-list.ts'

const ABSENT = [ERRNO.ENOENT, ERRNO.ENOTDIR]

/** Files get the container's own /dev/null on top (the shim proves it to be 1:3), directories an empty read-only tmpfs. */
export function planMaskedPaths(list: StepList, paths: readonly string[]): void {
  if (paths.length === 0) return
  list.add('open /dev/null for masked paths', {
    op: 'open-in-root',
    slot: SLOT.null,
    root: ROOTFS_SLOT,
    path: '/dev/null',
    flags: O_PATH,
  })
  list.add('mount an empty directory for masked paths', {
    op: 'fs-mount',
    slot: SLOT.empty,
    fstype: 'tmpfs',
    source: 'tmpfs',
    options: [['nr_inodes', '1']],
    attributes: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
  })
  // Twice over one path would be two mounts, of which the second hides nothing.
  for (const path of new Set(paths.map((each) => containerPath(each)))) {
    list.add(`can't mask path ${quoted(path)}`, {
      op: 'open-in-root',
      slot: SLOT.target,
      ...placeOf(list, path),
      flags: O_PATH,
      skipOn: { errnos: ABSENT, skip: 1 },
    })
    list.add(`can't mask path ${quoted(path)}`, {
      op: 'mask',
      target: SLOT.target,
      file: SLOT.null,
      directory: SLOT.empty,
    })
  }
}

/** Below a mount that is still held: from there. */
function placeOf({ mounted }: StepList, path: string): { root: Slot; path: string } {
  for (const [place, root] of mounted) {
    if (path === place) return { root, path: '/' }
    if (path.startsWith(`${place}/`)) return { root, path: path.slice(place.length) }
  }
  return { root: ROOTFS_SLOT, path }
}

export function planReadonlyPaths(list: StepList, paths: readonly string[]): void {
  for (const path of new Set(paths.map((each) => containerPath(each)))) {
    const sentence = `can't make ${quoted(path)} read-only`
    list.add(sentence, {
      op: 'open-in-root',
      slot: SLOT.target,
      ...placeOf(list, path),
      flags: O_PATH,
      skipOn: { errnos: ABSENT, skip: 3 },
    })
    list.add(sentence, { op: 'open-tree', slot: SLOT.source, dir: SLOT.target, path: '', recursive: true })
    list.add(sentence, {
      op: 'mount-setattr',
      slot: SLOT.source,
      set: BigInt(MOUNT_ATTR_RDONLY),
      clear: 0n,
      propagation: 0n,
      recursive: true,
    })
    list.add(sentence, { op: 'move-mount', from: SLOT.source, to: SLOT.target })
  }
}
