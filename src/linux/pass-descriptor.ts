// Descriptors between processes: out of another by pidfd_getfd(2), over a unix socket by SCM_RIGHTS (unix(7)).
import { closeSync } from 'node:fs'
import { Failure } from '../base/failure.ts'
import type { Fd } from './kernel.ts'
import { ERRNO, hasErrno, KernelError } from './kernel-error.ts'
import { addressOf, checked, libcFunction, systemCall } from './libc.ts'
import { openNativeKernel } from './native-kernel.ts'

const sendmsg = libcFunction('sendmsg', 'int', 'ptr', 'int')
const recvmsg = libcFunction('recvmsg', 'int', 'ptr', 'int')
const pidfdGetfd = systemCall('pidfd_getfd', 'int', 'int', 'uint')

const MSG_NOSIGNAL = 0x4000
const MSG_TRUNC = 0x20
const MSG_CTRUNC = 0x08
const MSG_CMSG_CLOEXEC = 0x40000000
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

/** struct cmsghdr */
const CONTROL_HEADER = 16
const CONTROL_SIZE_MAX = 1024

/** One message and the descriptors that came with it, which are the caller's to close. Blocks. Empty at the end. Throws KernelError. */
export function receiveDescriptors(socket: Fd, sizeMax: number): { bytes: Buffer; descriptors: Fd[] } {
  const data = Buffer.alloc(sizeMax)
  const control = Buffer.alloc(CONTROL_SIZE_MAX)
  const vector = new BigUint64Array([addressOf(data), BigInt(sizeMax)])
  const header = new BigUint64Array([
    0n,
    0n,
    addressOf(bytesOf(vector)),
    1n,
    addressOf(control),
    BigInt(CONTROL_SIZE_MAX),
    0n,
  ])
  const size = retried(() => checked(recvmsg(socket, bytesOf(header), MSG_CMSG_CLOEXEC), 'recvmsg', ''))
  const descriptors = readDescriptors(control.subarray(0, Number(header[5])))
  if ((Number(header[6]) & (MSG_TRUNC | MSG_CTRUNC)) !== 0) {
    for (const fd of descriptors) closeSync(fd)
    throw new KernelError('recvmsg', '', ERRNO.EOVERFLOW)
  }
  return { bytes: data.subarray(0, size), descriptors }
}

function retried(work: () => number): number {
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!hasErrno(error, 'EINTR')) throw error
    }
  }
}

function readDescriptors(control: Buffer): Fd[] {
  const found: Fd[] = []
  for (let at = 0; at + CONTROL_HEADER <= control.length; ) {
    const length = Number(control.readBigUInt64LE(at))
    if (length < CONTROL_HEADER || at + length > control.length) break
    const isRights = control.readInt32LE(at + 8) === SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS
    for (let from = at + CONTROL_HEADER; isRights && from + 4 <= at + length; from += 4)
      found.push(control.readInt32LE(from))
    at += Math.ceil(length / 8) * 8
  }
  return found
}

function bytesOf(numbers: BigUint64Array): Uint8Array {
  return new Uint8Array(numbers.buffer)
}
