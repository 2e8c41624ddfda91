// Copies between files that the kernel makes itself, and where a file has holes. Node's fs has a name for none of them.
import type { Fd } from './kernel.ts'
import { hasErrno, KernelError } from './kernel-error.ts'
import { errno, libcFunction, libcIntFunction } from './libc.ts'

const FICLONE = 0x40049409
const SEEK_SET = 0
const SEEK_DATA = 3
const SEEK_HOLE = 4

const ioctl = libcIntFunction('ioctl', 'int', 'ulong', 'ulong')
const lseek = libcFunction('lseek', 'int', 'long', 'int')
const copyFileRange = libcFunction('copy_file_range', 'int', 'ptr', 'int', 'ptr', 'size_t', 'uint')

/** Makes `to`, which is empty, share all of `from`'s blocks (FICLONE). False where the file system can't: nothing has happened then. */
export function cloneFile(from: Fd, to: Fd): boolean {
  if (ioctl(to, FICLONE, from) >= 0) return true
  const error = new KernelError('ioctl FICLONE', '', errno())
  if (hasErrno(error, 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOTTY', 'ENOSYS', 'ETXTBSY')) return false
  throw error
}

/**
 * Copies at most `sizeMax` bytes at `at` to the same place of `to`, up to the next hole. 0: `from` ends there. Undefined where
 * copy_file_range(2) is of no use between these two.
 */
export function copyRange(from: Fd, to: Fd, at: number, sizeMax: number): number | undefined {
  const hole = lseek(from, at, SEEK_HOLE)
  const size = hole > at ? Math.min(sizeMax, hole - at) : sizeMax
  const [source, target] = [offset(at), offset(at)]
  const copied = copyFileRange(from, source, to, target, size, 0)
  if (copied >= 0) return copied
  const error = new KernelError('copy_file_range', '', errno())
  if (hasErrno(error, 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'EBADF', 'EPERM')) return undefined
  throw error
}

/** Where data begins at or after `at`; `size` where none follows. A file system that knows no holes says `at`. */
export function nextData(fd: Fd, at: number, size: number): number {
  if (at >= size) return size
  const found = lseek(fd, at, SEEK_DATA)
  if (found >= 0) return Math.min(found, size)
  const error = new KernelError('lseek', '', errno())
  if (hasErrno(error, 'ENXIO')) return size
  if (!hasErrno(error, 'EINVAL', 'EOPNOTSUPP')) throw error
  lseek(fd, at, SEEK_SET)
  return at
}

function offset(at: number): Uint8Array {
  return new Uint8Array(new BigInt64Array([BigInt(at)]).buffer)
}
