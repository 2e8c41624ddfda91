// --pidfd-socket: a supervisor gets a descriptor of the process instead of a number that may be given to another.
import { closeSync } from 'node:fs'
import { Failure, messageOf } from '../base/failure.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { connectUnixSocket, sendDescriptor } from '../linux/pass-descriptor.ts'

/** The process is our child, or berth-init's, and not waited for yet: the number is still its own. */
export function sendPidfd(path: string, pid: number): void {
  const pidfd = openNativeKernel().pidfdOpen(pid)
  try {
    const socket = connectUnixSocket(path)
    try {
      sendDescriptor(socket, 'pidfd', pidfd)
    } finally {
      closeSync(socket)
    }
  } catch (error) {
    throw new Failure('unavailable', `unable to pass the pidfd to ${path}: ${messageOf(error)}`, { cause: error })
  } finally {
    closeSync(pidfd)
  }
}
