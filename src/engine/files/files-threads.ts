// Threads that see a container's files, one per view: what a thread sees can't be changed back. One waits in advance for a while after another
// was needed, since a `cp` asks twice, and a thread takes some 50 ms to start.
import type { Worker } from 'node:worker_threads'
import { systemClock, within } from '../../base/clock.ts'
import { Failure, type FailureCode, messageOf } from '../../base/failure.ts'
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
/** Threads that are at work. */
const THREADS_MAX = 16
/** Of one container: in it everything may hang (a FUSE server that answers nothing), and there are some left for the others then. */
const OWN_THREADS_MAX = 12
/** All together. A thread that has given no sign for a while waits for the kernel or for its client, and its place is given to another. */
const ALL_THREADS_MAX = 64
const SILENT_MS = 10_000
/** How long a thread's end is waited for; one that hangs in the kernel ends when that lets go of it. */
const ENDING_MS = 2_000
const HEAP_MIB_MAX = 512
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
  readonly #heapMib: number
  readonly #running = new Set<FilesThread>()
  readonly #waiting = new Set<() => void>()
  #spare: Worker | undefined
  #spareTimer: NodeJS.Timeout | undefined
  #isClosed = false

  /** @param options.heapMib what a thread may have for names and attributes; what needs more fails, and nothing else does. */
  constructor(options: { heapMib?: number } = {}) {
    this.#heapMib = options.heapMib ?? HEAP_MIB_MAX
  }

  /** Resolves when the view has been opened: what it is made of may go. The signal ends it. @param owner the container's id. */
  async open(owner: string, view: View, signal: AbortSignal): Promise<FilesView> {
    const thread = await this.#start(owner, signal)
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
  async compare(
    owner: string,
    layers: ComparedLayers,
    signal: AbortSignal,
  ): Promise<readonly FileChange[] | undefined> {
    await using thread = await this.#start(owner, signal)
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
    if (this.#running.size > 0) process.once('exit', endAtOnce)
  }

  /** Whether one more would be too many. */
  #isFull(owner: string): boolean {
    const all = [...this.#running]
    if (all.length >= ALL_THREADS_MAX || all.filter((thread) => thread.owner === owner).length >= OWN_THREADS_MAX)
      return true
    const now = performance.now()
    return all.filter((thread) => now - thread.heardAtMs < SILENT_MS).length >= THREADS_MAX
  }

  async #start(owner: string, signal: AbortSignal): Promise<FilesThread> {
    while (this.#isFull(owner) && !this.#isClosed && !signal.aborted) await this.#someEnd(signal)
    if (this.#isClosed) throw new Failure('unavailable', 'shutting down')
    if (signal.aborted) throw new Failure('cancelled', 'context canceled')
    const thread = new FilesThread(owner, this.#takeWorker(), signal, () => {
      this.#running.delete(thread)
      for (const go of this.#waiting) go()
      this.#keepSpare()
      releaseMemorySoon()
    })
    this.#running.add(thread)
    return thread
  }

  /** Also when the signal aborts, all is closed, or it is time to see who is silent. */
  async #someEnd(signal: AbortSignal): Promise<void> {
    let go: () => void = () => {}
    const ended = new Promise<void>((resolve) => (go = resolve))
    this.#waiting.add(go)
    signal.addEventListener('abort', go)
    const timer = setTimeout(go, SILENT_MS).unref()
    await ended
    clearTimeout(timer)
    this.#waiting.delete(go)
    signal.removeEventListener('abort', go)
  }

  #takeWorker(): Worker {
    const worker = this.#spare ?? startWorker(this.#heapMib)
    this.#spare = undefined
    worker.ref()
    return worker
  }

  #keepSpare(): void {
    if (this.#isClosed) return
    this.#spare ??= startWorker(this.#heapMib)
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

function startWorker(heapMib: number): Worker {
  const worker = startNativeThread(new URL('./files-worker.js', import.meta.url), {
    resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: heapMib },
  })
  worker.on('error', () => {}) // whoever uses it hears of it, too
  return worker
}

/** Node waits for its threads as it exits, and one that hangs may never come: then the process ends as one that was told to. */
function endAtOnce(): void {
  process.removeAllListeners('SIGTERM')
  process.kill(process.pid, 'SIGTERM')
}

/** The other end of one thread. */
class FilesThread implements FilesView {
  readonly owner: string
  /** When it said or was told anything, by performance.now(). */
  heardAtMs = performance.now()
  readonly #worker: Worker
  readonly #signal: AbortSignal
  readonly #onEnd: () => void
  readonly #messages: FilesMessage[] = []
  readonly #failure = failurePromise()
  readonly #cancel = () => {
    if (this.#isOpening) return
    this.#receive({ kind: 'failed', code: 'cancelled', message: 'context canceled' }) // at once: it may hang
    void endNativeThread(this.#worker)
  }
  #wake: () => void = () => {}
  #credit = CHUNKS_IN_FLIGHT
  /** Made once and sent back and forth: new ones for all of an upload are more work for the collector than the upload itself. */
  readonly #emptied: Uint8Array<ArrayBuffer>[] = []
  /** It holds descriptors that nobody would close: an end waits until it has made its view of them. */
  #isOpening = false
  #isEnded = false

  constructor(owner: string, worker: Worker, signal: AbortSignal, onEnd: () => void) {
    this.owner = owner
    this.#worker = worker
    this.#signal = signal
    this.#onEnd = onEnd
    signal.addEventListener('abort', this.#cancel)
    worker.on('message', (message: FilesMessage) => this.#receive(message))
    worker.once('error', (error) => this.#receive({ kind: 'failed', ...explainEnd(error) }))
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
    // Its mounts are gone when this has ended.
    await within(systemClock, ENDING_MS, endNativeThread(this.#worker).then(this.#onEnd))
  }

  send(request: FilesRequest, transfer: ArrayBuffer[] = []): void {
    this.heardAtMs = performance.now()
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
    this.heardAtMs = performance.now()
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

function explainEnd(error: unknown): { code: FailureCode; message: string } {
  if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_OUT_OF_MEMORY')
    return { code: 'internal', message: `files worker: ${messageOf(error)}` }
  return {
    code: 'resource-exhausted',
    message: 'the names and attributes of these files take more memory than one request may have',
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
