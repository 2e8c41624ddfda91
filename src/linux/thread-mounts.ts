// A worker thread whose whole world are the trees it was given: a mount table of its own (unshare(CLONE_NEWNS) is the calling thread's affair
// alone), in it a small root with one directory per tree, and nothing else. Whatever a tree's names and links say, they can't mean the host.
// No mount is ever in the host's table, and the table goes with its thread, however the process ends.
import { mkdirSync } from 'node:fs'
import { CLONE_NEWNS, MNT_DETACH, MS_REC, MS_SLAVE, O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT } from './constants.ts'
import { AT_FDCWD, type Fd, type Kernel } from './kernel.ts'
import { checked, cString, libcIntFunction, systemCall } from './libc.ts'

const chroot = libcIntFunction('chroot', 'str')
const chdir = libcIntFunction('chdir', 'str')
const fchdir = libcIntFunction('fchdir', 'int')
const umask = libcIntFunction('umask', 'uint')
const pivotRoot = systemCall('pivot_root', 'str', 'str')

/** A detached mount and where in its tree it goes: '' for the first of a tree, or for one that lies over those before it. */
export interface TreePart {
  mount: Fd
  target: string
}

/**
 * Call it in a worker, never on the main thread: the thread sees `/<name>` for every tree and nothing else from here on, for good. Only
 * synchronous fs calls see it; asynchronous ones go to the pool, whose threads have the process's root. The descriptors are closed.
 */
export function enterTrees(kernel: Kernel, trees: Readonly<Record<string, readonly TreePart[]>>): void {
  kernel.unshare(CLONE_NEWNS)
  // What is unmounted on the host goes from here too until we let go of it; nothing of ours is seen there.
  kernel.mount(undefined, '/', undefined, MS_REC | MS_SLAVE)
  umask(0)
  const root = kernel.mountDetached({ fstype: 'tmpfs', source: 'trees', options: [['mode', '0700']], attributes: 0 })
  try {
    kernel.moveMount(root, '', AT_FDCWD, '/', 0)
    checked(fchdir(root), 'fchdir', '/')
    letGoOfTheHost(kernel)
  } finally {
    kernel.close(root)
  }
  for (const [name, parts] of Object.entries(trees)) {
    mkdirSync(`/${name}`, { mode: 0o700 })
    for (const part of parts) attach(kernel, `/${name}`, part)
  }
}

/** The thread sees `directory` of what it has as `/`. */
export function enterDirectory(directory: string): void {
  checked(chdir(cString(directory, 'chdir')), 'chdir', directory)
  checked(chroot('.'), 'chroot', directory)
}

function letGoOfTheHost(kernel: Kernel): void {
  const pivoted = pivotRoot('.', '.')
  // The kernel's own first root can't be exchanged (a machine that runs from its initramfs): it stays behind, out of sight.
  if (pivoted >= 0) kernel.umount('.', MNT_DETACH)
  checked(chroot('.'), 'chroot', '.')
  checked(chdir('/'), 'chdir', '/')
}

function attach(kernel: Kernel, directory: string, { mount, target }: TreePart): void {
  const root = kernel.openat2(AT_FDCWD, directory, { flags: O_PATH | O_DIRECTORY })
  try {
    const flags = O_PATH
    const place = target === '' ? root : kernel.openat2(root, target, { flags, resolve: RESOLVE_IN_ROOT })
    try {
      kernel.moveMount(mount, '', place, '', 0)
    } finally {
      if (place !== root) kernel.close(place)
    }
  } finally {
    kernel.close(root)
    kernel.close(mount)
  }
}
