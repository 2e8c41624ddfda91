// Undoes, in reverse, what an operation has done so far, unless the operation reaches its end.

/** Collects undo actions. `await using undo = new UndoStack()`; call `commit()` as the last line of the story. */
export class UndoStack implements AsyncDisposable {
  #actions: (() => void | Promise<void>)[] = []
  readonly #onError: (error: unknown) => void

  /** @param onError told of every undo action that itself fails; the others still run. */
  constructor(onError: (error: unknown) => void = () => {}) {
    this.#onError = onError
  }

  /** Registers the action that undoes what was just done. */
  defer(action: () => void | Promise<void>): void {
    this.#actions.push(action)
  }

  /** Registers a disposable and returns it. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(() => resource[Symbol.asyncDispose]() as Promise<void>)
    return resource
  }

  /** The operation succeeded: what it made belongs to the result, which disposes of it. */
  release(): UndoStack {
    const released = new UndoStack(this.#onError)
    released.#actions = this.#actions.splice(0)
    return released
  }

  /** The operation succeeded: nothing will be undone. */
  commit(): void {
    this.#actions = []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const action of this.#actions.splice(0).reverse()) {
      try {
        await action()
      } catch (error) {
        this.#onError(error)
      }
    }
  }
}
