// Work that goes on side by side: how much of it, and what happens to the rest when a part fails.
import { cancelled, until } from './named-stream.ts'

/**
 * As Promise.all over `work`, but the first failure aborts the others, and nothing is under way any more when this rejects: who cleans
 * up afterwards must not race with what is left.
 */
export async function together<In, Out>(
  items: readonly In[],
  signal: AbortSignal,
  work: (item: In, signal: AbortSignal) => Promise<Out>,
): Promise<Out[]> {
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const parts = items.map((item) => work(item, both))
  try {
    return await Promise.all(parts)
  } catch (error) {
    stop.abort(error)
    await Promise.allSettled(parts)
    throw signal.aborted ? cancelled(signal) : error
  }
}

/** At most so many at a time, in the order of asking. */
export class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}

type Listener = (done: number) => void

interface Flight {
  ended: Promise<void>
  listeners: Set<Listener>
}

/** One at a time for each key; who waits hears how far the one before has come. */
export class Flights {
  readonly #flights = new Map<string, Flight>()

  /**
   * Runs `work` once nobody else works under the key. Whether the one before has succeeded `work` finds out for itself: it may have
   * been cancelled by its own client.
   */
  async run<T>(
    key: string,
    options: { signal: AbortSignal; onProgress?: Listener },
    work: (tell: Listener) => Promise<T>,
  ): Promise<T> {
    const { signal, onProgress = () => {} } = options
    for (let flight = this.#flights.get(key); flight !== undefined; flight = this.#flights.get(key)) {
      flight.listeners.add(onProgress)
      await until(flight.ended, signal).finally(() => flight.listeners.delete(onProgress))
    }
    const listeners = new Set([onProgress])
    const result = work((done) => {
      for (const listener of listeners) listener(done)
    })
    const ended = result.then(
      () => {},
      () => {},
    )
    this.#flights.set(key, { listeners, ended })
    try {
      return await result
    } finally {
      this.#flights.delete(key)
    }
  }
}
