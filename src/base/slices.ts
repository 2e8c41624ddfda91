// Long work in short pieces, so that others are served in between.
import { nextTurn } from './next-turn.ts'

const SLICE_MS = 4

/** `await slices.next()` between any two steps: it lets others have their turn whenever a slice of time is used up. */
export class Slices {
  readonly #sliceMs: number
  #endMs: number

  constructor(sliceMs = SLICE_MS) {
    this.#sliceMs = sliceMs
    this.#endMs = performance.now() + sliceMs
  }

  /** Undefined, which costs no turn, while there is time. */
  next(): Promise<void> | undefined {
    return performance.now() < this.#endMs ? undefined : this.#pause()
  }

  async #pause(): Promise<void> {
    await nextTurn()
    this.#endMs = performance.now() + this.#sliceMs
  }
}
