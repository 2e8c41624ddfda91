// Calls on file names that are bytes and not text: what a layer holds need not be UTF-8, and Node's fs lacks these calls.
import { AT_SYMLINK_NOFOLLOW } from './constants.ts'
import { AT_FDCWD } from './kernel.ts'
import { ERRNO, KernelError } from './kernel-error.ts'
import { errno, libcFunction, libcIntFunction } from './libc.ts'

const c = {
  mknod: libcIntFunction('mknod', 'ptr', 'uint', 'ulong'),
  lsetxattr: libcIntFunction('lsetxattr', 'ptr', 'ptr', 'ptr', 'size_t', 'int'),
  lgetxattr: libcFunction('lgetxattr', 'ptr', 'ptr', 'ptr', 'size_t'),
  llistxattr: libcFunction('llistxattr', 'ptr', 'ptr', 'size_t'),
  utimensat: libcIntFunction('utimensat', 'int', 'ptr', 'ptr', 'int'),
}

/** `path` is without NUL; every function throws KernelError. */
export function mknodBytes(path: Buffer, mode: number, device: { major: number; minor: number }): void {
  finish(c.mknod(terminated(path), mode, deviceNumber(device)), 'mknod', path)
}

/** A name that is text may be given as one; bytes stay bytes. */
export function lsetxattrBytes(path: Buffer, name: string | Buffer, value: Uint8Array): void {
  finish(c.lsetxattr(terminated(path), terminated(Buffer.from(name)), value, value.length, 0), 'lsetxattr', path)
}

/** Undefined where the attribute is not there, or the file system has none. */
export function lgetxattrBytes(path: Buffer, name: Buffer): Buffer | undefined {
  const size = c.lgetxattr(terminated(path), terminated(name), scratch, scratch.length)
  if (size < 0 && (errno() === ERRNO.ENODATA || errno() === ERRNO.EOPNOTSUPP)) return undefined
  finish(size, 'lgetxattr', path)
  return Buffer.from(scratch.subarray(0, size))
}

/** Names of all attributes, one character a byte; none where the file system has none. */
export function llistxattrBytes(path: Buffer): string[] {
  const size = c.llistxattr(terminated(path), scratch, scratch.length)
  if (size < 0 && errno() === ERRNO.EOPNOTSUPP) return []
  finish(size, 'llistxattr', path)
  return scratch.toString('latin1', 0, size).split('\0').slice(0, -1)
}

/** XATTR_SIZE_MAX and XATTR_LIST_MAX; calls are synchronous, and each copies out what it found. */
const scratch = Buffer.alloc(65536)

/** Access and modification time of the file itself, symlink or not. `nanos` is 0 to 999999999. */
export function setTimesBytes(path: Buffer, modified: KernelTime, accessed: KernelTime = modified): void {
  const spec = [accessed.seconds, accessed.nanos, modified.seconds, modified.nanos].map(BigInt)
  const times = Buffer.from(new BigInt64Array(spec).buffer)
  finish(c.utimensat(AT_FDCWD, terminated(path), times, AT_SYMLINK_NOFOLLOW), 'utimensat', path)
}

export interface KernelTime {
  seconds: number
  nanos: number
}

function terminated(path: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(path.length + 1)
  bytes.set(path)
  bytes[path.length] = 0
  return bytes
}

function finish(result: number, call: string, path: Buffer): void {
  if (result < 0) throw new KernelError(call, path.toString('utf8'), errno())
}

/** glibc's makedev. */
function deviceNumber({ major, minor }: { major: number; minor: number }): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)]
  return ((high & ~0xfffn) << 32n) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) | (low & 0xffn)
}
