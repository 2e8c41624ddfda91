// The word of memory between a thread in native code and who may end it: native-thread.ts.

/** States of the word: whoever finds it free may go in, or close it for good. */
export const GATE = { free: 0, inside: 1, closed: 2 }

/** What such a thread is given. */
export interface NativeThreadData {
  nativeGate: Int32Array
}

/** In the thread: its way into native code. Once the gate is closed nobody comes back from here. */
export function throughGate<Args extends unknown[], Result>(
  gate: Int32Array,
  work: (...args: Args) => Result,
): (...args: Args) => Result {
  return (...args) => {
    while (Atomics.compareExchange(gate, 0, GATE.free, GATE.inside) !== GATE.free) Atomics.wait(gate, 0, GATE.closed)
    try {
      return work(...args)
    } finally {
      Atomics.store(gate, 0, GATE.free)
    }
  }
}
