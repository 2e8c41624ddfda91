// Runs jobs on trees, each on a thread of its own that has nothing but these trees in sight: at most one a processor at a time.
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { Failure, messageOf } from '../../base/failure.ts'
import { endNativeThread, startNativeThread } from '../../linux/native-thread.ts'
import { releaseMemorySoon } from '../../linux/release-memory.ts'
import type { CopyJob, DiffJob, TreeJob, TreeMessage, TreeResult } from './tree-job.ts'

export type DiffOutcome = TreeResult | 'needs-mount'

/** Owns its threads; `close` ends them. Work that is under way then fails with `cancelled`. */
export class TreeThreads {
  readonly #limit: number
  readonly #running = new Set<Worker>()
  readonly #waiting: (() => void)[] = []
  #isClosed = false
  #places: number

  constructor(limit = availableParallelism()) {
    this.#limit = limit
    this.#places = this.#limit
  }

  /** Compares, and writes the archive; what has been written so far stays where it fails. Rejects with Failure; `signal` calls it off. */
  diff(job: DiffJob, signal: AbortSignal): Promise<DiffOutcome> {
    return this.#inTurn(job, signal)
  }

  /** Resolves when all is copied. What a failure leaves in `to` is the caller's to remove. */
  async copy(job: CopyJob, signal: AbortSignal): Promise<void> {
    await this.#inTurn(job, signal)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const go of this.#waiting.splice(0)) go()
    await Promise.all([...this.#running].map((worker) => endNativeThread(worker)))
  }

  async #inTurn(job: TreeJob, signal: AbortSignal): Promise<DiffOutcome> {
    if (this.#places > 0) this.#places--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      if (this.#isClosed) throw new Failure('unavailable', 'shutting down')
      if (signal.aborted) throw new Failure('cancelled', 'context canceled')
      return await this.#run(job, signal)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#places++
      else next()
      releaseMemorySoon()
    }
  }

  async #run(job: TreeJob, signal: AbortSignal): Promise<DiffOutcome> {
    // Its heap holds the names of one way down a tree, and those of files with several; buffers lie outside of it.
    const worker = startNativeThread(new URL('./tree-worker.js', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 512 },
    })
    this.#running.add(worker)
    const cancel = () => void endNativeThread(worker)
    signal.addEventListener('abort', cancel)
    try {
      return await outcomeOf(worker, job)
    } finally {
      signal.removeEventListener('abort', cancel)
      await endNativeThread(worker) // its mounts are gone when this has ended
      this.#running.delete(worker)
    }
  }
}

function outcomeOf(worker: Worker, job: TreeJob): Promise<DiffOutcome> {
  return new Promise((resolve, reject) => {
    worker.once('message', (message: TreeMessage) => {
      if (message.kind === 'failed') reject(new Failure(message.code, message.message))
      else resolve(message.kind === 'done' ? message.result : message.kind)
    })
    worker.once('error', (error) => reject(new Failure('internal', `tree worker: ${messageOf(error)}`)))
    worker.once('exit', () => reject(new Failure('cancelled', 'context canceled')))
    worker.postMessage(job)
  })
}
