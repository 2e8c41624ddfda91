// A failed system call: which, on what, with which errno.
import { Failure, type FailureCode } from '../base/failure.ts'

/** The errno names this code decides on, Linux x86_64 and aarch64 (asm-generic/errno.h). */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EDQUOT: 122,
  EMSGSIZE: 90,
  ENOBUFS: 105,
} as const

export type ErrnoName = keyof typeof ERRNO

const TEXT: Partial<Record<ErrnoName, string>> = {
  EPERM: 'operation not permitted',
  ENOENT: 'no such file or directory',
  ESRCH: 'no such process',
  EIO: 'input/output error',
  ENXIO: 'no such device or address',
  E2BIG: 'argument list too long',
  ENOEXEC: 'exec format error',
  EBADF: 'bad file descriptor',
  EAGAIN: 'resource temporarily unavailable',
  ENOMEM: 'cannot allocate memory',
  EACCES: 'permission denied',
  EFAULT: 'bad address',
  EBUSY: 'device or resource busy',
  EEXIST: 'file exists',
  EXDEV: 'invalid cross-device link',
  ENODEV: 'no such device',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  EINVAL: 'invalid argument',
  ENFILE: 'too many open files in system',
  EMFILE: 'too many open files',
  ETXTBSY: 'text file busy',
  EFBIG: 'file too large',
  ENOSPC: 'no space left on device',
  EROFS: 'read-only file system',
  EPIPE: 'broken pipe',
  ERANGE: 'numerical result out of range',
  ENAMETOOLONG: 'file name too long',
  ENOSYS: 'function not implemented',
  ENOTEMPTY: 'directory not empty',
  ELOOP: 'too many levels of symbolic links',
  EPROTO: 'protocol error',
  EOVERFLOW: 'value too large for defined data type',
  EOPNOTSUPP: 'operation not supported',
  EADDRINUSE: 'address already in use',
  EDQUOT: 'disk quota exceeded',
}

/** Go's words for an errno, since users and scripts know those. */
export function errnoText(errno: number): string {
  const name = errnoName(errno)
  return (name && TEXT[name]) ?? `errno ${errno}`
}

export function errnoName(errno: number): ErrnoName | undefined {
  return (Object.keys(ERRNO) as ErrnoName[]).find((name) => ERRNO[name] === errno)
}

/** The failure code that an errno means to a caller. */
export function codeOfErrno(errno: number): FailureCode {
  switch (errnoName(errno)) {
    case 'ENOENT':
    case 'ESRCH':
      return 'not-found'
    case 'EEXIST':
      return 'already-exists'
    case 'EACCES':
    case 'EPERM':
      return 'permission-denied'
    case 'EINVAL':
    case 'ENAMETOOLONG':
      return 'invalid-argument'
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOMEM':
      return 'resource-exhausted'
    case 'EBUSY':
    case 'ENOTEMPTY':
      return 'failed-precondition'
    case 'ENOSYS':
    case 'EOPNOTSUPP':
      return 'unimplemented'
    default:
      return 'internal'
  }
}

/** `call` is the system call's name, `target` what it was asked to act on. */
export class KernelError extends Failure {
  readonly errno: number
  readonly call: string

  constructor(call: string, target: string, errno: number) {
    super(codeOfErrno(errno), `${call}${target === '' ? '' : ` ${target}`}: ${errnoText(errno)}`)
    this.errno = errno
    this.call = call
  }
}

/** True where the error is a failed call with one of these errnos, ours or Node's. */
export function hasErrno(error: unknown, ...names: ErrnoName[]): boolean {
  if (!(error instanceof Error)) return false
  if ('errno' in error && typeof error.errno === 'number')
    return names.some((name) => ERRNO[name] === Math.abs(error.errno as number))
  return false
}
