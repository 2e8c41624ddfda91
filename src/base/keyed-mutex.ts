// One at a time for each key, in the order of asking; different keys go side by side.
import { Mutex } from './mutex.ts'

export class KeyedMutex {
  readonly #queues = new Map<string, { mutex: Mutex; users: number }>()

  /** As Mutex.run. A key that nobody works under costs nothing. */
  async run<T>(key: string, work: () => Promise<T> | T): Promise<T> {
    const queue = this.#queues.get(key) ?? { mutex: new Mutex(), users: 0 }
    this.#queues.set(key, queue)
    queue.users++
    try {
      return await queue.mutex.run(work)
    } finally {
      if (--queue.users === 0) this.#queues.delete(key)
    }
  }
}
