// Yielding to the event loop.

/** Lets what was handed to a socket leave before the work that follows occupies this thread. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
