// A few worker threads that unpack layers: as many as there are processors, started when needed and let go soon after.
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { Failure, messageOf } from '../../base/failure.ts'
import { endNativeThread, startNativeThread } from '../../linux/native-thread.ts'
import { releaseMemorySoon } from '../../linux/release-memory.ts'
import type { LayerAnswer, LayerJob } from './layer-job.ts'

const IDLE_MS = 2000

interface Waiting {
  job: LayerJob
  resolve(answer: LayerAnswer): void
  reject(error: unknown): void
}

/** Owns its threads; `close` ends them. Work that is under way then fails with `cancelled`. */
export class LayerWorkers {
  readonly #limit: number
  readonly #queue: Waiting[] = []
  readonly #idle: { worker: Worker; timer: NodeJS.Timeout }[] = []
  readonly #busy = new Map<Worker, Waiting>()
  #closed = false

  constructor(limit = availableParallelism()) {
    this.#limit = limit
  }

  run(job: LayerJob): Promise<LayerAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Failure('unavailable', 'shutting down'))
      this.#queue.push({ job, resolve, reject })
      this.#dispatch()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const waiting of this.#queue.splice(0)) waiting.reject(new Failure('cancelled', 'context canceled'))
    const workers = [...this.#busy.keys(), ...this.#idle.splice(0).map(({ worker }) => worker)]
    await Promise.all(workers.map((worker) => endNativeThread(worker)))
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const idle = this.#idle.pop()
      if (!idle && this.#busy.size >= this.#limit) return
      if (idle) clearTimeout(idle.timer)
      const worker = idle?.worker ?? this.#start()
      const waiting = this.#queue.shift()!
      this.#busy.set(worker, waiting)
      worker.ref()
      worker.postMessage(waiting.job)
    }
  }

  #start(): Worker {
    // Its heap holds a layer's directory names at most (see LayerWriter); buffers lie outside of it.
    const worker = startNativeThread(new URL('./layer-worker.js', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 512 },
    })
    worker.on('message', (answer: LayerAnswer) => {
      const done = this.#busy.get(worker)
      this.#busy.delete(worker)
      if (done?.job.target.kind === 'mounts')
        void endNativeThread(worker).then(() => done.resolve(answer)) // its mounts go with it
      else {
        done?.resolve(answer)
        this.#rest(worker)
      }
      this.#dispatch()
    })
    worker.on('error', (error) => this.#lost(worker, new Failure('internal', `layer worker: ${messageOf(error)}`)))
    worker.once('exit', releaseMemorySoon)
    worker.on('exit', () => this.#lost(worker, new Failure('cancelled', 'context canceled')))
    return worker
  }

  #rest(worker: Worker): void {
    worker.unref()
    releaseMemorySoon() // what came in, layer by layer
    const timer = setTimeout(() => {
      this.#idle.splice(
        this.#idle.findIndex((idle) => idle.worker === worker),
        1,
      )
      void endNativeThread(worker)
    }, IDLE_MS)
    timer.unref()
    this.#idle.push({ worker, timer })
  }

  #lost(worker: Worker, reason: Failure): void {
    this.#busy.get(worker)?.reject(reason)
    this.#busy.delete(worker)
    const at = this.#idle.findIndex((idle) => idle.worker === worker)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#dispatch()
  }
}
