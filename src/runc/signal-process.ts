// A signal to one process, and to no other that got its number meanwhile.
import { hasErrno } from '../linux/kernel-error.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { isAlive } from '../linux/proc/process-stat.ts'

/** @returns whether it was there to be signalled. */
export function signalProcess(pid: number, startTicks: number, signal: number): boolean {
  if (pid <= 0) return false
  const kernel = openNativeKernel()
  let pidfd: number
  try {
    pidfd = kernel.pidfdOpen(pid)
  } catch (error) {
    if (hasErrno(error, 'ESRCH')) return false
    throw error
  }
  try {
    // Asked after the descriptor holds the process: from here on it can't become another.
    if (!isAlive(pid, startTicks)) return false
    kernel.pidfdSendSignal(pidfd, signal)
    return true
  } catch (error) {
    if (hasErrno(error, 'ESRCH')) return false
    throw error
  } finally {
    kernel.close(pidfd)
  }
}
