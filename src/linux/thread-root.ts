// A worker thread with a root directory of its own. unshare(CLONE_FS) gives the calling thread its own root, working directory and
// umask, so that nothing it opens by path can lie outside. Only synchronous fs calls run on the thread itself: asynchronous
// ones go to the pool, whose threads have the process's root.
import { constants, openSync } from 'node:fs'
import type { Fd } from './kernel.ts'
import { checked, cString, libcIntFunction } from './libc.ts'

const CLONE_FS = 0x200

const unshare = libcIntFunction('unshare', 'int')
const chroot = libcIntFunction('chroot', 'str')
const chdir = libcIntFunction('chdir', 'str')
const fchdir = libcIntFunction('fchdir', 'int')
const umask = libcIntFunction('umask', 'uint')

export interface ThreadRoot {
  /** The thread sees `directory` as `/`. Paths are absolute from here on. */
  enter(directory: string): void
  /** Back to the root that the thread was born with. */
  leave(): void
}

/** Call it in a worker, never on the main thread: the thread's umask becomes 0. */
export function ownThreadRoot(): ThreadRoot {
  checked(unshare(CLONE_FS), 'unshare', '')
  umask(0)
  const home: Fd = openSync('/', constants.O_RDONLY | constants.O_DIRECTORY)
  return {
    enter(directory) {
      checked(chdir(cString(directory, 'chdir')), 'chdir', directory)
      checked(chroot('.'), 'chroot', directory)
    },
    leave() {
      checked(fchdir(home), 'fchdir', '/')
      checked(chroot('.'), 'chroot', '/')
    },
  }
}
