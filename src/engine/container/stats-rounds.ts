// The samples of all streams of stats, taken together: once a second, whoever waits by then. A call for each stream cost more than what it asked for.
import type { Clock } from '../../base/clock.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { readTasks, type TaskReading } from './read-counters.ts'

/** Of the second between two rounds: whoever comes in the latter half waits for the round behind the next, so that no two samples are next to each other. */
const HALF_MS = 500
/** Of one call: both daemons serve others between two of them. */
const CONTAINERS_PER_CALL = 10

interface Waiter {
  readonly container: Container
  settle(reading: Promise<TaskReading>): void
}

export class StatsRounds {
  readonly #clock: Clock
  readonly #waiting = new Set<Waiter>()
  #isTurning = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** After a second, give or take half of one; undefined once the signal has aborted. Rejects as containerd's call does. */
  next(engine: Engine, container: Container, signal: AbortSignal): Promise<TaskReading | undefined> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(undefined)
      const leave = () => {
        this.#waiting.delete(waiter)
        resolve(undefined)
      }
      const waiter: Waiter = {
        container,
        settle(reading) {
          signal.removeEventListener('abort', leave)
          resolve(reading)
        },
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.add(waiter)
      if (!this.#isTurning) void this.#turn(engine)
    })
  }

  /** While somebody waits. */
  async #turn(engine: Engine): Promise<void> {
    this.#isTurning = true
    let due: Waiter[] = []
    while (due.length > 0 || this.#waiting.size > 0) {
      await Promise.all([serve(engine, due), this.#clock.sleep(HALF_MS)])
      const invited = [...this.#waiting]
      await this.#clock.sleep(HALF_MS)
      due = invited.filter((waiter) => this.#waiting.delete(waiter))
    }
    this.#isTurning = false
  }
}

/** Never throws: what fails is told to those whose call it was. */
async function serve(engine: Engine, due: readonly Waiter[]): Promise<void> {
  for (let at = 0; at < due.length; at += CONTAINERS_PER_CALL) {
    const some = due.slice(at, at + CONTAINERS_PER_CALL)
    const reading = readTasks(engine, [...new Set(some.map(({ container }) => container))])
    for (const waiter of some) waiter.settle(reading)
    await reading.catch(() => {})
  }
}
