// Streams that a client opens under a name, for another call to use: progress, credentials, archives.
import type { Any } from '@bufbuild/protobuf/wkt'
import { Failure } from '../../base/failure.ts'

/** What nobody has fetched yet: far more than the window of a byte stream, and than anybody's progress in a second. */
const UNSENT_MAX = 4096

/** The server's end. It ends with the client's call; `close` ends the call. */
export class NamedStream {
  readonly #inbound: AsyncIterator<Any>
  readonly #signal: AbortSignal
  readonly #unsent: Any[] = []
  #wake: () => void = () => {}
  #isClosed = false
  #isSending = false
  readonly #flushWaiters: (() => void)[] = []
  readonly #onClose: () => void

  /** `signal` aborts when the client is gone. `onClose` is called once. */
  constructor(inbound: AsyncIterator<Any>, signal: AbortSignal, onClose: () => void) {
    this.#inbound = inbound
    this.#signal = signal
    this.#onClose = onClose
    signal.addEventListener('abort', this.#abort, { once: true })
  }

  /** False where nobody will read it: the stream has ended, or its reader has stopped. */
  send(message: Any): boolean {
    if (this.#isClosed || this.#unsent.length >= UNSENT_MAX) return false
    this.#unsent.push(message)
    this.#wake()
    return true
  }

  /** Resolves once what was sent is on its way, or never will be: an answer to another call shall not overtake it. */
  async flushed(): Promise<void> {
    while (!this.#isClosed && (this.#unsent.length > 0 || this.#isSending))
      await new Promise<void>((resolve) => this.#flushWaiters.push(resolve))
  }

  /** Undefined once the client will send no more. Rejects with `cancelled` where it is gone. One at a time. */
  async receive(): Promise<Any | undefined> {
    const { done, value } = await until(this.#inbound.next(), this.#signal)
    return done ? undefined : value
  }

  /** What has been sent still arrives. Idempotent. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#signal.removeEventListener('abort', this.#abort)
    this.#onClose()
    this.#wake()
    this.#tellFlushed()
  }

  /** What goes to the client, until the stream is closed. */
  async *outbound(): AsyncGenerator<Any> {
    for (;;) {
      this.#isSending = true
      yield* this.#unsent.splice(0)
      if (this.#unsent.length > 0) continue
      this.#isSending = false
      this.#tellFlushed()
      if (this.#isClosed) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #tellFlushed(): void {
    for (const waiter of this.#flushWaiters.splice(0)) waiter()
  }

  readonly #abort = (): void => this.close()
}

/** Names are each namespace's own. */
export class NamedStreams {
  readonly #streams = new Map<string, NamedStream>()

  /** Throws `already-exists`. The name is free again when the stream is closed. */
  open(namespace: string, name: string, inbound: AsyncIterator<Any>, signal: AbortSignal): NamedStream {
    const key = `${namespace}/${name}`
    if (this.#streams.has(key)) throw new Failure('already-exists', 'already exists')
    const stream = new NamedStream(inbound, signal, () => this.#streams.delete(key))
    this.#streams.set(key, stream)
    return stream
  }

  /** Throws `not-found`. */
  require(namespace: string, name: string): NamedStream {
    const stream = this.#streams.get(`${namespace}/${name}`)
    if (stream === undefined) throw new Failure('not-found', 'not found')
    return stream
  }
}

/** The work's result, or the signal's reason where that comes first. */
export function until<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(cancelled(signal))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

export function cancelled(signal: AbortSignal): unknown {
  const { reason } = signal as { reason: unknown }
  return reason instanceof Failure ? reason : new Failure('cancelled', 'context canceled', { cause: reason })
}
