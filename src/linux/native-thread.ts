// Threads that call the C library, ended from outside. Node's terminate() leaves a thread's native code without a way to tell of an error, and koffi then ends the
// whole process: such a thread is ended only while it is outside of native code, by a word of memory that both sides see.
import { Worker, type WorkerOptions } from 'node:worker_threads'
import { GATE, type NativeThreadData } from './native-gate.ts'

const LOOK_MS = 1
/** A call that hangs may hang for ever. */
const LOOK_MS_MAX = 256

const gates = new WeakMap<Worker, Int32Array>()

/** As `new Worker`; to be ended by `endNativeThread` alone. */
export function startNativeThread(program: URL, options: Omit<WorkerOptions, 'workerData'>): Worker {
  const nativeGate = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const workerData: NativeThreadData = { nativeGate }
  const worker = new Worker(program, { ...options, workerData })
  gates.set(worker, nativeGate)
  return worker
}

/** Resolves when the thread is no more. A native call under way is waited for, as the kernel would have it anyway. */
export async function endNativeThread(worker: Worker): Promise<void> {
  const gate = gates.get(worker)
  let hasEnded = false
  worker.once('exit', () => {
    hasEnded = true
  })
  const isInside = (word: Int32Array) => Atomics.compareExchange(word, 0, GATE.free, GATE.closed) === GATE.inside
  for (let delayMs = LOOK_MS; !hasEnded && gate !== undefined && isInside(gate); delayMs *= 2)
    await new Promise((resolve) => setTimeout(resolve, Math.min(delayMs, LOOK_MS_MAX)))
  await worker.terminate()
}
