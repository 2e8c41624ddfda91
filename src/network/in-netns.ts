// The thread's excursions into other network namespaces: synchronous, and always back.
import { closeSync, openSync } from 'node:fs'
import { CLONE_NEWNET } from '../linux/constants.ts'
import type { Fd, Kernel } from '../linux/kernel.ts'

/** Of this thread, not of the process: namespaces belong to threads. */
export const OWN_NETNS = '/proc/thread-self/ns/net'

/**
 * Runs `work` on this thread inside the namespace and returns to where the thread was, whatever `work` does. `work` must be
 * synchronous: an `await` inside would let everything else of the process run in the wrong namespace.
 */
export function inNetns<T>(kernel: Kernel, netns: Fd, work: () => T): T {
  return returning(kernel, () => {
    kernel.setns(netns, CLONE_NEWNET)
    return work()
  })
}

/** As `inNetns`, with a new namespace. It lives on only if `work` keeps a reference to it. */
export function inNewNetns<T>(kernel: Kernel, work: () => T): T {
  return returning(kernel, () => {
    kernel.unshare(CLONE_NEWNET)
    return work()
  })
}

function returning<T>(kernel: Kernel, work: () => T): T {
  const own = openSync(OWN_NETNS, 'r')
  try {
    return work()
  } finally {
    comeBack(kernel, own)
    closeSync(own)
  }
}

function comeBack(kernel: Kernel, own: Fd): void {
  try {
    kernel.setns(own, CLONE_NEWNET)
  } catch (error) {
    // Every later socket of this process would be opened in a container's namespace: nothing may run any more.
    process.stderr.write(`cannot return to the host's network namespace: ${String(error)}\n`)
    process.abort()
  }
}
