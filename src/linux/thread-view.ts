// A worker thread that sees a container's files as the container does, and nothing else. A running container's mount namespace is copied: what the
// thread sees can't be changed under it by mounts, and names and links can only mean what is in there. Of one that does not run the same is
// built: its layers, with volumes and binds over them.
import { constants, mkdirSync, openSync, readFileSync, closeSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { Failure } from '../base/failure.ts'
import {
  AT_EMPTY_PATH,
  AT_RECURSIVE,
  CLONE_FS,
  CLONE_NEWNS,
  MNT_DETACH,
  MOUNT_ATTR_NODEV,
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

/** What is laid over a tree: a detached and private mount, and where it goes in there. The descriptor is closed. */
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

/**
 * The calling thread sees `tree`, with `mounts` over it in their order but for the kernel's own file systems, as `/` from here on, for good. Missing
 * mount points are made in the tree. `proc` is the host's procfs.
 */
export function enterView(kernel: Kernel, proc: Fd, tree: Fd, mounts: readonly ViewMount[]): void {
  enterTrees(kernel, { [ROOT]: [{ mount: tree, target: '' }] })
  enterDirectory(`/${ROOT}`)
  for (const { mount, target, isDirectory } of mounts) {
    try {
      makeMountPoint(target, isDirectory)
      kernel.moveMount(mount, '', AT_FDCWD, target, MOVE_MOUNT_T_SYMLINKS)
    } finally {
      kernel.close(mount)
    }
    // Before the next one: the way to its place may be a link into a procfs of the host's.
    detachKernelFilesystems(kernel, proc)
  }
  closeDevices(kernel)
}

/**
 * The calling thread sees what the processes in this mount namespace see, but for the kernel's own file systems and their /dev, from here on, for
 * good. Throws Failure where the namespace's root is not the overlay with this upper directory: it is not the container that was meant.
 */
export function enterNamespace(kernel: Kernel, namespace: Fd, upperDirectory: string): void {
  withProc((proc) => {
    const mounts = joinNamespace(kernel, proc, namespace, upperDirectory)
    if (mounts.findLast(({ mountPoint }) => mountPoint === '/dev')?.fstype === 'tmpfs') detach(kernel, '/dev')
    detachKernelFilesystems(kernel, proc)
  })
  closeDevices(kernel)
}

/** As `enterNamespace`, but of all that is mounted in there only the root itself. */
export function enterNamespaceRoot(kernel: Kernel, namespace: Fd, upperDirectory: string): void {
  withProc((proc) => joinNamespace(kernel, proc, namespace, upperDirectory))
  enterTrees(kernel, { [ROOT]: [{ mount: kernel.openTree(AT_FDCWD, '/', OPEN_TREE_CLONE), target: '' }] })
  enterDirectory(`/${ROOT}`)
  closeDevices(kernel)
}

/**
 * As `enterNamespace` or `enterNamespaceRoot`, of a namespace that belongs to another user namespace than ours. A copy of it would have all its mounts
 * locked to each other, so that its trees are copied instead and laid into a namespace of this thread.
 */
export function enterForeignNamespace(
  kernel: Kernel,
  namespace: Fd,
  upperDirectory: string,
  isRootOnly: boolean,
): void {
  withProc((proc) => {
    const own = kernel.openat2(proc, 'thread-self/ns/mnt', { flags: constants.O_RDONLY })
    kernel.unshare(CLONE_FS) // a mount namespace is joined by who shares root and working directory with nobody
    let tree: Fd
    let hasDev: boolean
    try {
      kernel.setns(namespace, CLONE_NEWNS)
      const mounts = ownMounts(kernel, proc)
      requireRoot(mounts, upperDirectory)
      hasDev = mounts.findLast(({ mountPoint }) => mountPoint === '/dev')?.fstype === 'tmpfs'
      tree = kernel.openTree(AT_FDCWD, '/', OPEN_TREE_CLONE | (isRootOnly ? 0 : AT_RECURSIVE))
      kernel.setns(own, CLONE_NEWNS)
    } finally {
      kernel.close(own)
    }
    kernel.mountSetattr(tree, '', AT_EMPTY_PATH | AT_RECURSIVE, { set: 0n, clear: 0n, propagation: BigInt(MS_PRIVATE) })
    enterTrees(kernel, { [ROOT]: [{ mount: tree, target: '' }] })
    enterDirectory(`/${ROOT}`)
    if (isRootOnly) return
    if (hasDev) detach(kernel, '/dev')
    detachKernelFilesystems(kernel, proc)
  })
  closeDevices(kernel)
}

/** The host's procfs, by which a thread knows its mounts: what it sees itself may have none, or none of the kernel's. */
export function withProc<T>(work: (proc: Fd) => T): T {
  const proc = openSync('/proc', O_PATH | O_DIRECTORY)
  try {
    return work(proc)
  } finally {
    closeSync(proc)
  }
}

function joinNamespace(kernel: Kernel, proc: Fd, namespace: Fd, upperDirectory: string): MountLine[] {
  kernel.unshare(CLONE_FS) // a mount namespace is joined by who shares root and working directory with nobody
  kernel.setns(namespace, CLONE_NEWNS)
  kernel.unshare(CLONE_NEWNS)
  kernel.mount(undefined, '/', undefined, MS_REC | MS_PRIVATE)
  const mounts = ownMounts(kernel, proc)
  requireRoot(mounts, upperDirectory)
  return mounts
}

function requireRoot(mounts: readonly MountLine[], upperDirectory: string): void {
  const root = mounts.findLast(({ mountPoint }) => mountPoint === '/')
  if (!root?.superOptions.includes(`upperdir=${upperDirectory}`))
    throw new Failure('failed-precondition', "the process's root is not the container's")
}

/**
 * Again while any mount goes: one may have lain below others of the same place, which go with it. What stays then has something over its parent, and
 * is out of sight.
 */
function detachKernelFilesystems(kernel: Kernel, proc: Fd): void {
  for (let before = Number.POSITIVE_INFINITY; ; ) {
    const mounts = ownMounts(kernel, proc)
    const found = mounts.filter(({ fstype }) => KERNEL_FILESYSTEMS.has(fstype))
    if (found.length === 0 || mounts.length >= before) return
    for (const { mountPoint } of found.reverse()) detach(kernel, mountPoint)
    before = mounts.length
  }
}

/** A container can exchange a file for a device between two looks at it, and opening a device may do anything (a watchdog reboots). */
function closeDevices(kernel: Kernel): void {
  const attributes = { set: BigInt(MOUNT_ATTR_NODEV), clear: 0n, propagation: 0n }
  kernel.mountSetattr(AT_FDCWD, '/', AT_RECURSIVE, attributes)
}

/** In the order in which they lie on each other. */
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
