// When to collect: a little after something was deleted, one collection at a time, and never so often that it is most of the work.
//
// As containerd's scheduler decides, but without a clock that ticks while nothing happens: an interval begins with the first deletion.
import { messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'

export interface CollectSchedule {
  /** Of all time, what collections may take; 0: one a second. */
  pauseThreshold: number
  /** So many deletions are not left waiting for the interval; 0: they always are. */
  deletionThreshold: number
  /** So many changes without a deletion are worth a collection; 0: they never are. */
  mutationThreshold: number
  scheduleDelayMs: number
  /** From the daemon's start to its first collection; 0: none that nobody asks for. */
  startupDelayMs: number
}

export const DEFAULT_SCHEDULE: CollectSchedule = {
  pauseThreshold: 0.02,
  deletionThreshold: 0,
  mutationThreshold: 100,
  scheduleDelayMs: 0,
  startupDelayMs: 100,
}

/** Where nothing is collected at all yet. */
const INTERVAL_MS = 1000
/** A collection counts as no shorter, or the next one would come at once. */
const COLLECTION_MS_MIN = 5

export class CollectScheduler {
  readonly #collect: () => Promise<unknown>
  readonly #log: Log
  readonly #settings: CollectSchedule
  /** Told of each collection that is over. */
  onCollected: (outcome: { ms: number; isFailed: boolean }) => void = () => {}
  #timer: NodeJS.Timeout | undefined
  #dueAtMs = Number.POSITIVE_INFINITY
  #running: Promise<void> | undefined
  #deletions = 0
  #mutations = 0
  #collections = 0
  #totalMs = 0
  #isClosed = false

  constructor(collect: () => Promise<unknown>, log: Log, settings: CollectSchedule = DEFAULT_SCHEDULE) {
    this.#collect = collect
    this.#log = log
    this.#settings = settings
  }

  /** What a crash left is nobody's now. */
  start(): void {
    if (this.#settings.startupDelayMs > 0) this.#scheduleIn(this.#settings.startupDelayMs)
  }

  /** Something was deleted, and what it alone referred to may be nobody's. Cheap. */
  schedule(): void {
    const { deletionThreshold, scheduleDelayMs } = this.#settings
    this.#deletions++
    if (deletionThreshold > 0 && this.#deletions >= deletionThreshold) this.#scheduleIn(scheduleDelayMs)
    else this.#scheduleIn(this.#intervalMs())
  }

  /** Some record was made, changed or removed. Cheap. */
  mutated(): void {
    const { mutationThreshold } = this.#settings
    this.#mutations++
    if (mutationThreshold > 0 && this.#mutations >= mutationThreshold && this.#running === undefined)
      this.#scheduleIn(this.#intervalMs())
  }

  /** Resolves after a collection that began after this call. One that was due by itself is not due any more: this one sees the same. */
  async collectNow(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => {})
    const startedMs = performance.now()
    this.#deletions = 0
    clearTimeout(this.#timer)
    this.#dueAtMs = Number.POSITIVE_INFINITY
    this.#running = this.#collect().then(() => {})
    let isFailed = true
    try {
      await this.#running
      isFailed = false
    } finally {
      this.#running = undefined
      this.#mutations = 0 // the collection's own are no reason for another
      const ms = performance.now() - startedMs
      this.#collections++
      this.#totalMs += ms
      this.onCollected({ ms, isFailed })
    }
  }

  /** No collection starts afterwards; waits for the one under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#running?.catch(() => {})
  }

  /** Collections of 20 ms on average are at least 980 ms apart where they may take two hundredths of the time. */
  #intervalMs(): number {
    const { pauseThreshold } = this.#settings
    if (pauseThreshold === 0 || this.#collections === 0) return INTERVAL_MS
    const averageMs = Math.max(this.#totalMs / this.#collections, COLLECTION_MS_MIN)
    return averageMs / pauseThreshold - averageMs
  }

  /** An earlier date stands. */
  #scheduleIn(delayMs: number): void {
    const dueAtMs = performance.now() + delayMs
    if (this.#isClosed || dueAtMs >= this.#dueAtMs) return
    clearTimeout(this.#timer)
    this.#dueAtMs = dueAtMs
    this.#timer = setTimeout(() => {
      this.collectNow().catch((error) => this.#log.error('collection failed', { error: messageOf(error) }))
    }, delayMs).unref()
  }
}
