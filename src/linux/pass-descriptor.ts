// Descriptors between processes: out of another by pidfd_getfd(2), over a unix socket by SCM_RIGHTS (unix(7)).
import { closeSync } from 'node:fs'
import { Failure } from '../base/failure.ts'
import type { Fd } from './kernel.ts'
import { KernelError } from './kernel-error.ts'
import { addressOf, checked, libcFunction, systemCall } from './libc.ts'
import { openNativeKernel } from './native-kernel.ts'

const sendmsg = libcFunction('sendmsg', 'int', 'ptr', 'int')
const pidfdGetfd = systemCall('pidfd_getfd', 'int', 'int', 'uint')

const MSG_NOSIGNAL = 0x4000
const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const AF_UNIX = 1
const SOCK_STREAM = 1
/** sun_path with its terminator. */
const PATH_BYTES_MAX = 107

/** A copy of another process's descriptor, ours to close. Kernel 5.6. */
export function fetchDescriptor(pid: number, descriptor: Fd): Fd {
  const kernel = openNativeKernel()
  const pidfd = kernel.pidfdOpen(pid)
  try {
    return checked(pidfdGetfd(pidfd, descriptor, 0), 'pidfd_getfd', `${pid}: ${descriptor}`)
  } finally {
    kernel.close(pidfd)
  }
}

/** A connected stream socket, ours to close. Throws KernelError. */
export function connectUnixSocket(path: string): Fd {
  const bytes = Buffer.from(path)
  if (bytes.length > PATH_BYTES_MAX || bytes.includes(0))
    throw new Failure('invalid-argument', `${path}: no path of a unix socket`)
  const kernel = openNativeKernel()
  const fd = kernel.socket(AF_UNIX, SOCK_STREAM, 0)
  try {
    kernel.connect(fd, Buffer.concat([Buffer.from([AF_UNIX, 0]), bytes, Buffer.alloc(1)]))
    return fd
  } catch (error) {
    closeSync(fd)
    throw error instanceof KernelError ? new KernelError('connect', path, error.errno) : error
  }
}

/** One message with a descriptor; the receiver gets a copy. Throws KernelError. */
export function sendDescriptor(socket: Fd, text: string, descriptor: Fd): void {
  const data = Buffer.from(text)
  const vector = new BigUint64Array([addressOf(data), BigInt(data.length)])
  // struct cmsghdr: length, level, type; then the number, padded to eight bytes.
  const control = Buffer.alloc(24)
  control.writeBigUInt64LE(20n, 0)
  control.writeInt32LE(SOL_SOCKET, 8)
  control.writeInt32LE(SCM_RIGHTS, 12)
  control.writeInt32LE(descriptor, 16)
  // struct msghdr: no name; the vector of one; the control bytes; no flags.
  const header = new BigUint64Array([0n, 0n, addressOf(bytesOf(vector)), 1n, addressOf(control), 24n, 0n])
  const sent = checked(sendmsg(socket, bytesOf(header), MSG_NOSIGNAL), 'sendmsg', '')
  if (sent < data.length) openNativeKernel().send(socket, data.subarray(sent))
}

function bytesOf(numbers: BigUint64Array): Uint8Array {
  return new Uint8Array(numbers.buffer)
}
