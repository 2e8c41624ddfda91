// Removes links behind the request's back: the kernel takes tens of milliseconds for it, on a thread of Node's pool.
import { messageOf } from '../base/failure.ts'
import type { Log } from '../base/log.ts'
import type { Kernel } from '../linux/kernel.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../linux/netlink/netlink-socket.ts'
import { deleteLink } from '../linux/netlink/route-messages.ts'

/** One removal runs at a time; those that come meanwhile go together in the next. */
export class LinkRemover {
  readonly #kernel: Kernel
  readonly #log: Log
  #waiting: string[] = []
  #running: Promise<void> | undefined

  constructor(kernel: Kernel, log: Log) {
    this.#kernel = kernel
    this.#log = log
  }

  /** Links that are already gone are no error. */
  remove(...names: readonly string[]): void {
    if (names.length === 0) return
    this.#waiting.push(...names)
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Resolves when nothing waits any more. */
  async drained(): Promise<void> {
    while (this.#running) await this.#running
  }

  async #run(): Promise<void> {
    using socket = NetlinkSocket.open(this.#kernel, NETLINK_ROUTE)
    while (this.#waiting.length > 0) {
      const names = this.#waiting.splice(0)
      try {
        const failures = await socket.performInBackground(...names.map((name) => deleteLink({ name })))
        for (const failure of failures)
          if (!hasErrno(failure, 'ENODEV')) this.#log.warn('cannot remove link', { error: failure.message })
      } catch (error) {
        this.#log.warn('cannot remove links', { links: names.join(' '), error: messageOf(error) })
      }
    }
  }
}
