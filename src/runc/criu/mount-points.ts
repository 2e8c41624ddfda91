// criu mounts what a container had mounted, and expects the directories and files for it to be there, as they were made for it once.
import { closeSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { Failure, messageOf } from '../../base/failure.ts'
import { O_DIRECTORY, O_PATH, S_IFREG } from '../../linux/constants.ts'
import { AT_FDCWD, type Fd, type Kernel } from '../../linux/kernel.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import { openNativeKernel } from '../../linux/native-kernel.ts'
import { openInRoot } from '../../linux/read-file-in-root.ts'
import type { MountSpec, RuntimeSpec } from '../../oci/runtime-spec.ts'
import { containerPath, isBelow, isBindMount } from '../../runtime/container-path.ts'
import { isOnTmpfs } from './requests.ts'

type Kind = 'directory' | 'file'

/**
 * Makes those that are missing; nothing is mounted for it. A mount point below a bind mount is made where that one comes from. No link leads
 * out of the root file system. Throws Failure naming the mount.
 */
export function makeMountPoints(spec: RuntimeSpec, rootfs: string): void {
  const mounts = (spec.mounts ?? []).map((mount) => ({
    ...mount,
    destination: containerPath(mount.destination, rootfs),
  }))
  for (const [index, mount] of mounts.entries()) {
    if (mount.type === 'cgroup' || isOnTmpfs(mount.destination, mounts)) continue
    try {
      const { root, path } = placeOf(mount.destination, mounts.slice(0, index), rootfs)
      makeIn(root, path, kindOf(mount))
    } catch (error) {
      const words = `create criu restore mountpoint for ${mount.destination} mount: ${messageOf(error)}`
      throw new Failure('invalid-argument', words, { cause: error })
    }
  }
}

function kindOf(mount: MountSpec): Kind {
  return isBindMount(mount) && !statSync(mount.source ?? '').isDirectory() ? 'file' : 'directory'
}

/** The latest bind mount that covers the path is what will be seen there. */
function placeOf(destination: string, before: readonly MountSpec[], rootfs: string): { root: string; path: string } {
  const cover = before.findLast(
    (mount) => isBindMount(mount) && mount.destination !== destination && isBelow(destination, mount.destination),
  )
  return cover === undefined
    ? { root: rootfs, path: destination }
    : { root: cover.source ?? '', path: destination.slice(cover.destination.length) }
}

function makeIn(root: string, path: string, kind: Kind): void {
  const kernel = openNativeKernel()
  const top = kernel.openat2(AT_FDCWD, root, { flags: O_PATH | O_DIRECTORY })
  try {
    closeSync(openOrMake(kernel, top, path, kind))
  } finally {
    closeSync(top)
  }
}

function openOrMake(kernel: Kernel, root: Fd, path: string, kind: Kind): Fd {
  const found = openInRoot(kernel, root, path, O_PATH)
  if (found !== undefined) return found
  const parent = openOrMake(kernel, root, dirname(path), 'directory')
  try {
    if (kind === 'directory') kernel.mkdirat(parent, basename(path), 0o755)
    else kernel.mknodat(parent, basename(path), S_IFREG | 0o644, { major: 0, minor: 0 })
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error // somebody else may just have made it; a dangling link fails below
  } finally {
    closeSync(parent)
  }
  const made = openInRoot(kernel, root, path, O_PATH)
  if (made === undefined) throw new Failure('invalid-argument', `${path}: no such file or directory`)
  return made
}
