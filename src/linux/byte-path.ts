// Calls on file names that are bytes and not text: what a layer holds need not be UTF-8, and Node's fs lacks these calls.
import { AT_SYMLINK_NOFOLLOW } from './constants.ts'
import { AT_FDCWD } from './kernel.ts'
import { KernelError } from './kernel-error.ts'
import { errno, libcIntFunction } from './libc.ts'

const c = {
  mknod: libcIntFunction('mknod', 'ptr', 'uint', 'ulong'),
  lsetxattr: libcIntFunction('lsetxattr', 'ptr', 'str', 'ptr', 'size_t', 'int'),
  utimensat: libcIntFunction('utimensat', 'int', 'ptr', 'ptr', 'int'),
}

/** `path` is without NUL; every function throws KernelError. */
export function mknodBytes(path: Buffer, mode: number, device: { major: number; minor: number }): void {
  finish(c.mknod(terminated(path), mode, deviceNumber(device)), 'mknod', path)
}

export function lsetxattrBytes(path: Buffer, name: string, value: Uint8Array): void {
  finish(c.lsetxattr(terminated(path), name, value, value.length, 0), 'lsetxattr', path)
}

/** Access and modification time of the file itself, symlink or not. `nanos` is 0 to 999999999. */
export function setTimesBytes(path: Buffer, time: { seconds: number; nanos: number }): void {
  const spec = [BigInt(time.seconds), BigInt(time.nanos)]
  const times = Buffer.from(new BigInt64Array([...spec, ...spec]).buffer)
  finish(c.utimensat(AT_FDCWD, terminated(path), times, AT_SYMLINK_NOFOLLOW), 'utimensat', path)
}

function terminated(path: Buffer): Buffer {
  return Buffer.concat([path, Buffer.alloc(1)])
}

function finish(result: number, call: string, path: Buffer): void {
  if (result < 0) throw new KernelError(call, path.toString('utf8'), errno())
}

/** glibc's makedev. */
function deviceNumber({ major, minor }: { major: number; minor: number }): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)]
  return ((high & ~0xfffn) << 32n) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) | (low & 0xffn)
}
