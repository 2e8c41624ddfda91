// A pause of the only thread there is.

const cell = new Int32Array(new SharedArrayBuffer(4))

export function sleepSync(delayMs: number): void {
  Atomics.wait(cell, 0, 0, delayMs)
}
