// criu wants the root file system to be a mount point whose parent nothing covers: a bind mount in the container's state directory. It is
// there while criu works; where a crash leaves it, whoever removes the state directory takes it away first.
import { mkdirSync, realpathSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { MNT_DETACH, MS_BIND, MS_REC } from '../../linux/constants.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import { openNativeKernel } from '../../linux/native-kernel.ts'

const NAME = 'criu-root'

/** Mounted until disposed of. */
export function mountCriuRoot(rootfs: string, stateDirectory: string): { path: string } & Disposable {
  const made = join(stateDirectory, NAME)
  mkdirSync(made, { mode: 0o755 })
  const path = realpathSync(made)
  try {
    openNativeKernel().mount(rootfs, path, undefined, MS_BIND | MS_REC)
  } catch (error) {
    rmdirSync(path)
    throw error
  }
  return { path, [Symbol.dispose]: () => unmountCriuRoot(stateDirectory) }
}

/** Nothing where there is none. Throws where it stays mounted: the directory must not be removed with all that is in it then. */
export function unmountCriuRoot(stateDirectory: string): void {
  const path = join(stateDirectory, NAME)
  try {
    rmdirSync(path) // the usual case: it is not there, or nothing is mounted on it
    return
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return
    if (!hasErrno(error, 'EBUSY', 'ENOTEMPTY')) throw error
  }
  openNativeKernel().umount(path, MNT_DETACH)
  rmdirSync(path)
}
