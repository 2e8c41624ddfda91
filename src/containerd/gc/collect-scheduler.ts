// When to collect: a little after something was deleted, one collection at a time, and never so often that it is most of the work.
import { messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'

const DELAY_MS = 500
/** A collection that took 20 ms is followed by at least a second without one. */
const PAUSE_FACTOR = 50

export class CollectScheduler {
  readonly #collect: () => Promise<unknown>
  readonly #log: Log
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #earliestMs = 0
  #isClosed = false

  constructor(collect: () => Promise<unknown>, log: Log) {
    this.#collect = collect
    this.#log = log
  }

  /** Something may be nobody's now. Cheap. */
  schedule(): void {
    if (this.#isClosed || this.#timer !== undefined) return
    const delayMs = Math.max(DELAY_MS, this.#earliestMs - Date.now())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.collectNow().catch((error) => this.#log.error('collection failed', { error: messageOf(error) }))
    }, delayMs).unref()
  }

  /** Resolves after a collection that began after this call. */
  async collectNow(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => {})
    const startedMs = performance.now()
    this.#running = this.#collect().then(() => {})
    try {
      await this.#running
    } finally {
      this.#running = undefined
      this.#earliestMs = Date.now() + (performance.now() - startedMs) * PAUSE_FACTOR
    }
  }

  /** No collection starts afterwards; waits for the one under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#running?.catch(() => {})
  }
}
