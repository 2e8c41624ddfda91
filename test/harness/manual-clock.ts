// A clock that a test winds: nothing is over before it says so.
import type { Clock } from '../../src/base/clock.ts'

interface Sleeper {
  atMs: number
  wake(): void
}

export class ManualClock implements Clock {
  #nowMs: number
  /** By which somebody has set the time. */
  #jumpedMs = 0
  readonly #sleepers = new Set<Sleeper>()

  constructor(startMs: number) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs + this.#jumpedMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  /** The time is set: nobody wakes for it, and nothing has taken longer or shorter. */
  jump(ms: number): void {
    this.#jumpedMs += ms
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (delayMs <= 0 || signal?.aborted === true) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper: Sleeper = { atMs: this.#nowMs + delayMs, wake }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  /** Wakes those whose time has come, in its order. */
  advance(ms: number): void {
    this.#nowMs += ms
    const due = [...this.#sleepers].filter(({ atMs }) => atMs <= this.#nowMs).sort((a, b) => a.atMs - b.atMs)
    for (const { wake } of due) wake()
  }
}
