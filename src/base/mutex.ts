// One at a time, in the order of asking.

export class Mutex {
  #tail: Promise<void> = Promise.resolve()

  /** Runs `work` when everyone who asked before is done. Not reentrant: work must not ask for the same mutex. */
  async run<T>(work: () => Promise<T> | T): Promise<T> {
    const before = this.#tail
    let release: () => void = () => {}
    this.#tail = new Promise((resolve) => {
      release = resolve
    })
    await before
    try {
      return await work()
    } finally {
      release()
    }
  }
}
