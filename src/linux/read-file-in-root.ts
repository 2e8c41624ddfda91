// Reads a small file out of a tree that somebody hostile may have made: an image, or a running container's root file system.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { isFailure } from '../base/failure.ts'
import { O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV } from './constants.ts'
import type { Fd, Kernel } from './kernel.ts'
import { hasErrno } from './kernel-error.ts'

/**
 * Undefined where there is no such file, or it is not a regular one, or it is larger than `sizeMax`. No link leads out of `root`.
 * With RESOLVE_NO_XDEV in `resolve` a mount on the way throws KernelError with EXDEV.
 * What is there is looked at before it is opened: opening a FIFO waits, and opening a device may do anything (a watchdog reboots).
 */
export function readFileInRoot(
  kernel: Kernel,
  root: Fd,
  path: string,
  sizeMax: number,
  resolve = 0,
): string | undefined {
  const found = openInRoot(kernel, root, path, O_PATH, resolve)
  if (found === undefined) return undefined
  try {
    const stat = fstatSync(found)
    if (!stat.isFile() || stat.size > sizeMax) return undefined
    return readWhole(found, stat.size)
  } finally {
    closeSync(found)
  }
}

/** Undefined where it is absent or of a kind that can't be opened. A kernel out of memory or descriptors is another matter. */
export function openInRoot(kernel: Kernel, root: Fd, path: string, flags: number, resolve = 0): Fd | undefined {
  try {
    return kernel.openat2(root, path, { flags, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve })
  } catch (error) {
    if (isFailure(error, 'resource-exhausted', 'unimplemented')) throw error
    if ((resolve & RESOLVE_NO_XDEV) !== 0 && hasErrno(error, 'EXDEV')) throw error
    return undefined
  }
}

/** No more than was there when we looked, however the file grows meanwhile. */
function readWhole(found: Fd, size: number): string {
  const file = openSync(`/proc/self/fd/${found}`, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const bytes = Buffer.alloc(size)
    let done = 0
    while (done < size) {
      const read = readSync(file, bytes, done, size - done, done)
      if (read === 0) break
      done += read
    }
    return bytes.toString('utf8', 0, done)
  } finally {
    closeSync(file)
  }
}
