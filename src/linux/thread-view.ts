// A worker thread that sees a container's files as the container does, and nothing else. A running container's mount namespace is copied: what the
// thread sees can't be changed under it by mounts, and names and links can only mean what is in there. Of one that does not run the same is
// built: its layers, with volumes and binds over them.
import { constants, mkdirSync, openSync, readFileSync, closeSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { Failure } from '../base/failure.ts'
import {
  CLONE_FS,
  CLONE_NEWNS,
  MNT_DETACH,
  MOVE_MOUNT_T_SYMLINKS,
  MS_PRIVATE,
  MS_REC,
  O_DIRECTORY,
  O_PATH,
  OPEN_TREE_CLONE,
  UMOUNT_NOFOLLOW,
} from './constants.ts'
import { AT_FDCWD, type Fd, type Kernel } from './kernel.ts'
import { hasErrno } from './kernel-error.ts'
import { type MountLine, parseMountInfo } from './mount/parse-mountinfo.ts'
import { enterDirectory, enterTrees } from './thread-mounts.ts'

/** What is laid over a tree: a detached mount, and where it goes in there. The descriptor is closed. */
export interface ViewMount {
  mount: Fd
  target: string
  isDirectory: boolean
}

/** File systems that hold no files of anybody's but tell of the kernel; a process's links in procfs lead anywhere. */
const KERNEL_FILESYSTEMS = new Set([
  ...['proc', 'sysfs', 'cgroup', 'cgroup2', 'mqueue', 'devpts', 'securityfs'],
  ...['debugfs', 'tracefs', 'bpf', 'configfs', 'fusectl', 'pstore', 'efivarfs', 'binfmt_misc'],
])
const ROOT = 'root'

/** The calling thread sees `tree`, with `mounts` over it in their order, as `/` from here on, for good. Missing mount points are made in the tree. */
export function enterView(kernel: Kernel, tree: Fd, mounts: readonly ViewMount[]): void {
  enterTrees(kernel, { [ROOT]: [{ mount: tree, target: '' }] })
  enterDirectory(`/${ROOT}`)
  for (const { mount, target, isDirectory } of mounts) {
    try {
      makeMountPoint(target, isDirectory)
      kernel.moveMount(mount, '', AT_FDCWD, target, MOVE_MOUNT_T_SYMLINKS)
    } finally {
      kernel.close(mount)
    }
  }
}

/**
 * The calling thread sees what the processes in this mount namespace see, but for the kernel's own file systems and their /dev, from here on, for
 * good. Throws Failure where the namespace's root is not the overlay with this upper directory: it is not the container that was meant.
 */
export function enterNamespace(kernel: Kernel, namespace: Fd, upperDirectory: string): void {
  const mounts = joinNamespace(kernel, namespace, upperDirectory)
  for (const { mountPoint, fstype } of mounts.reverse()) {
    const isDevices = mountPoint === '/dev' && fstype === 'tmpfs'
    if (isDevices || KERNEL_FILESYSTEMS.has(fstype)) detach(kernel, mountPoint)
  }
}

/** As `enterNamespace`, but of all that is mounted in there only the root itself. */
export function enterNamespaceRoot(kernel: Kernel, namespace: Fd, upperDirectory: string): void {
  joinNamespace(kernel, namespace, upperDirectory)
  enterTrees(kernel, { [ROOT]: [{ mount: kernel.openTree(AT_FDCWD, '/', OPEN_TREE_CLONE), target: '' }] })
  enterDirectory(`/${ROOT}`)
}

function joinNamespace(kernel: Kernel, namespace: Fd, upperDirectory: string): MountLine[] {
  const proc = openSync('/proc', O_PATH | O_DIRECTORY)
  try {
    kernel.unshare(CLONE_FS) // a mount namespace is joined by who shares root and working directory with nobody
    kernel.setns(namespace, CLONE_NEWNS)
    kernel.unshare(CLONE_NEWNS)
    kernel.mount(undefined, '/', undefined, MS_REC | MS_PRIVATE)
    const mounts = ownMounts(kernel, proc)
    const root = mounts.findLast(({ mountPoint }) => mountPoint === '/')
    if (!root?.superOptions.includes(`upperdir=${upperDirectory}`))
      throw new Failure('failed-precondition', "the process's root is not the container's")
    return mounts
  } finally {
    closeSync(proc)
  }
}

/** In the order in which they lie on each other, by the host's procfs: the container may have none, or none of the kernel's. */
function ownMounts(kernel: Kernel, proc: Fd): MountLine[] {
  const file = kernel.openat2(proc, 'thread-self/mountinfo', { flags: constants.O_RDONLY })
  try {
    return parseMountInfo(readFileSync(file, 'latin1'))
  } finally {
    kernel.close(file)
  }
}

/** What lies on it goes with it; what went with another is gone already. */
function detach(kernel: Kernel, mountPoint: string): void {
  try {
    kernel.umount(Buffer.from(mountPoint, 'latin1').toString('utf8'), MNT_DETACH | UMOUNT_NOFOLLOW)
  } catch (error) {
    if (!hasErrno(error, 'EINVAL', 'ENOENT')) throw error
  }
}

/** As a start would: a directory for a directory, an empty file for a file. */
function makeMountPoint(target: string, isDirectory: boolean): void {
  if (statSync(target, { throwIfNoEntry: false }) !== undefined) return
  mkdirSync(isDirectory ? target : dirname(target), { recursive: true, mode: 0o755 })
  if (!isDirectory) closeSync(openSync(target, constants.O_CREAT | constants.O_WRONLY | constants.O_NOFOLLOW, 0o755))
}
