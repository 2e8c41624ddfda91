// Threads that see a container's files, one per view: what a thread sees can't be changed back. One waits in advance for a while after another
// was needed, since a `cp` asks twice, and a thread takes some 50 ms to start.
import type { Worker } from 'node:worker_threads'
import { Failure, messageOf } from '../../base/failure.ts'
import { endNativeThread, startNativeThread } from '../../linux/native-thread.ts'
import { releaseMemorySoon } from '../../linux/release-memory.ts'
import type { FileChange } from '../../trees/list-changes.ts'
import {
  CHUNKS_IN_FLIGHT,
  type ComparedLayers,
  type ExtractRules,
  type FilesMessage,
  type FilesRequest,
  type PathStat,
  type View,
} from './files-job.ts'

const SPARE_MS = 10_000
const THREADS_MAX = 16
/** What clients send comes in small pieces. */
const PIECE_BYTES = 512 * 1024

export interface OpenArchive {
  stat: PathStat
  content: AsyncIterable<Uint8Array>
}

/** One container's files, for one job. Who opens it disposes of it; its mounts are gone then. What is not there rejects with `not-found`. */
export interface FilesView extends AsyncDisposable {
  stat(path: string): Promise<PathStat>
  /** Resolves when it is known that there is something to archive. */
  archive(path: string): Promise<OpenArchive>
  /** All that the view has. */
  export(): AsyncIterable<Uint8Array>
  /** Resolves when all is there; rejects as soon as something can't be, however much is still to come. */
  extract(path: string, rules: ExtractRules, source: AsyncIterable<Uint8Array>): Promise<void>
}

/** Owns its threads; `close` ends them. */
export class FilesThreads {
  readonly #running = new Set<FilesThread>()
  readonly #waiting = new Set<() => void>()
  #spare: Worker | undefined
  #spareTimer: NodeJS.Timeout | undefined
  #isClosed = false

  /** Resolves when the view has been opened: what it is made of may go. The signal ends it. */
  async open(view: View, signal: AbortSignal): Promise<FilesView> {
    const thread = await this.#start(signal)
    try {
      thread.send({ kind: 'open', view })
      await thread.take('opened')
      return thread
    } catch (error) {
      await thread[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Undefined where only whole trees can be compared. */
  async compare(layers: ComparedLayers, signal: AbortSignal): Promise<readonly FileChange[] | undefined> {
    await using thread = await this.#start(signal)
    thread.send({ kind: 'compare', layers })
    await thread.take('opened')
    const message = await thread.next()
    if (message.kind === 'needs-mount') return undefined
    return message.kind === 'changes' ? message.changes : unexpected(message)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const go of this.#waiting) go()
    await Promise.all([this.#dropSpare(), ...[...this.#running].map((thread) => thread[Symbol.asyncDispose]())])
  }

  async #start(signal: AbortSignal): Promise<FilesThread> {
    while (this.#running.size >= THREADS_MAX && !this.#isClosed && !signal.aborted) await this.#someEnd(signal)
    if (this.#isClosed) throw new Failure('unavailable', 'shutting down')
    if (signal.aborted) throw new Failure('cancelled', 'context canceled')
    const thread = new FilesThread(this.#takeWorker(), signal, () => {
      this.#running.delete(thread)
      for (const go of this.#waiting) go()
      this.#keepSpare()
      releaseMemorySoon()
    })
    this.#running.add(thread)
    return thread
  }

  /** Also when the signal aborts, or all is closed. */
  async #someEnd(signal: AbortSignal): Promise<void> {
    let go: () => void = () => {}
    const ended = new Promise<void>((resolve) => (go = resolve))
    this.#waiting.add(go)
    signal.addEventListener('abort', go)
    await ended
    this.#waiting.delete(go)
    signal.removeEventListener('abort', go)
  }

  #takeWorker(): Worker {
    const worker = this.#spare ?? startWorker()
    this.#spare = undefined
    worker.ref()
    return worker
  }

  #keepSpare(): void {
    if (this.#isClosed) return
    this.#spare ??= startWorker()
    this.#spare.unref()
    clearTimeout(this.#spareTimer)
    this.#spareTimer = setTimeout(() => void this.#dropSpare(), SPARE_MS).unref()
  }

  async #dropSpare(): Promise<void> {
    clearTimeout(this.#spareTimer)
    const spare = this.#spare
    this.#spare = undefined
    if (spare !== undefined) await endNativeThread(spare)
  }
}

function startWorker(): Worker {
  const worker = startNativeThread(new URL('./files-worker.js', import.meta.url), {
    resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 512 },
  })
  worker.on('error', () => {}) // whoever uses it hears of it, too
  return worker
}

/** The other end of one thread. */
class FilesThread implements FilesView {
  readonly #worker: Worker
  readonly #signal: AbortSignal
  readonly #onEnd: () => void
  readonly #messages: FilesMessage[] = []
  readonly #failure = failurePromise()
  readonly #cancel = () => void (this.#isOpening || endNativeThread(this.#worker))
  #wake: () => void = () => {}
  #credit = CHUNKS_IN_FLIGHT
  /** Made once and sent back and forth: new ones for all of an upload are more work for the collector than the upload itself. */
  readonly #emptied: Uint8Array<ArrayBuffer>[] = []
  /** It holds descriptors that nobody would close: an end waits until it has made its view of them. */
  #isOpening = false
  #isEnded = false

  constructor(worker: Worker, signal: AbortSignal, onEnd: () => void) {
    this.#worker = worker
    this.#signal = signal
    this.#onEnd = onEnd
    signal.addEventListener('abort', this.#cancel)
    worker.on('message', (message: FilesMessage) => this.#receive(message))
    worker.once('error', (error) =>
      this.#receive({ kind: 'failed', code: 'internal', message: `files worker: ${messageOf(error)}` }),
    )
    worker.once('exit', () => this.#receive({ kind: 'failed', code: 'cancelled', message: 'context canceled' }))
  }

  async stat(path: string): Promise<PathStat> {
    this.send({ kind: 'job', job: { kind: 'stat', path } })
    return (await this.take('stat')).stat
  }

  async archive(path: string): Promise<OpenArchive> {
    this.send({ kind: 'job', job: { kind: 'archive', path } })
    return { stat: (await this.take('stat')).stat, content: this.#chunks() }
  }

  export(): AsyncIterable<Uint8Array> {
    this.send({ kind: 'job', job: { kind: 'export' } })
    return this.#chunks()
  }

  async extract(path: string, rules: ExtractRules, source: AsyncIterable<Uint8Array>): Promise<void> {
    this.send({ kind: 'job', job: { kind: 'extract', path, rules } })
    await this.#feed(source)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#signal.removeEventListener('abort', this.#cancel)
    await endNativeThread(this.#worker) // its mounts are gone when this has ended
    this.#onEnd()
  }

  send(request: FilesRequest, transfer: ArrayBuffer[] = []): void {
    if (request.kind === 'open' || request.kind === 'compare') this.#isOpening = true
    this.#worker.postMessage(request, transfer)
  }

  /** Throws what the thread has failed with. */
  async next(): Promise<FilesMessage> {
    for (;;) {
      const message = this.#messages.shift()
      if (message?.kind === 'failed') throw new Failure(message.code, message.message)
      if (message !== undefined) return message
      await this.#woken()
    }
  }

  async take<Kind extends FilesMessage['kind']>(kind: Kind): Promise<Extract<FilesMessage, { kind: Kind }>> {
    const message = await this.next()
    if (message.kind !== kind) return unexpected(message)
    return message as Extract<FilesMessage, { kind: Kind }>
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const message = await this.next()
      if (message.kind === 'done') return
      if (message.kind !== 'chunk') return unexpected(message)
      yield message.bytes
      this.send({ kind: 'written' })
    }
  }

  /** Stops as soon as the thread has failed, whether or not more comes. */
  async #feed(source: AsyncIterable<Uint8Array>): Promise<void> {
    const pieces = inPieces(source, () => this.#emptied.pop() ?? new Uint8Array(PIECE_BYTES))
    try {
      for (;;) {
        while (this.#credit === 0) await Promise.race([this.#woken(), this.#failure.promise])
        const piece = await Promise.race([pieces.next(), this.#failure.promise])
        if (piece.done) break
        this.#credit--
        this.send({ kind: 'chunk', bytes: piece.value }, [piece.value.buffer])
      }
    } catch (error) {
      pieces.return(undefined).catch(() => {}) // what decompresses ends with it, as soon as the client says or sends anything
      throw error
    }
    this.send({ kind: 'end' })
    await this.take('done')
  }

  #leaveOpening(): void {
    this.#isOpening = false
    if (this.#signal.aborted) this.#cancel()
  }

  #receive(message: FilesMessage): void {
    if (this.#isOpening) this.#leaveOpening()
    if (message.kind === 'taken') {
      this.#credit++
      this.#emptied.push(message.bytes)
    } else this.#messages.push(message)
    if (message.kind === 'failed') this.#failure.reject(new Failure(message.code, message.message))
    this.#wake()
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve))
  }
}

/** That nobody waits for it is no error. */
function failurePromise(): { promise: Promise<never>; reject: (reason: Failure) => void } {
  let reject: (reason: Failure) => void = () => {}
  const promise = new Promise<never>((_, refuse) => (reject = refuse))
  promise.catch(() => {})
  return { promise, reject }
}

/** `empty` gives what a piece is filled into; it is the reader's from then on. */
async function* inPieces(
  source: AsyncIterable<Uint8Array>,
  empty: () => Uint8Array<ArrayBuffer>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let piece = empty()
  let fill = 0
  for await (const bytes of source)
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + piece.length - fill)
      piece.set(part, fill)
      fill += part.length
      at += part.length
      if (fill < piece.length) continue
      yield piece
      piece = empty()
      fill = 0
    }
  if (fill > 0) yield piece.subarray(0, fill)
}

function unexpected(message: FilesMessage): never {
  throw new Failure('internal', `files worker: unexpected ${message.kind}`)
}
