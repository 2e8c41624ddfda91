// One network namespace made ahead of its need, while nobody waits: the kernel takes a millisecond for it. Only a descriptor holds it, so it
// goes with this process however that ends.
import { closeSync } from 'node:fs'
import type { Fd } from '../linux/kernel.ts'

/** After the last one was taken: what follows a start comes first. */
const PAUSE_MS = 100

export class SpareNetns {
  readonly #make: () => Fd
  #spare: Fd | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param make a failure of it costs nothing but the spare: who needs a namespace makes one, and hears why it cannot be. */
  constructor(make: () => Fd) {
    this.#make = make
    this.#schedule()
  }

  /** The caller closes it. Undefined where there is none now. */
  take(): Fd | undefined {
    const spare = this.#spare
    this.#spare = undefined
    this.#schedule()
    return spare
  }

  close(): void {
    clearTimeout(this.#timer)
    if (this.#spare !== undefined) closeSync(this.#spare)
    this.#spare = undefined
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      try {
        this.#spare ??= this.#make()
      } catch {
        // the next start tells
      }
    }, PAUSE_MS).unref()
  }
}
