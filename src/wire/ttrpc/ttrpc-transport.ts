// The calling end of a ttrpc connection.
import net from 'node:net'
import { Failure, isFailure } from '../../base/failure.ts'
import { failureOfNumber } from '../grpc/status.ts'
import type { Codec } from '../protobuf/message.ts'
import { DATA_BYTES_MAX, encodeFrame, type Frame, FRAME_TYPE, FrameParser, oversized } from './frames.ts'
import { Request, Response } from './messages.ts'

export interface TtrpcCallOptions {
  signal?: AbortSignal
  /** Ends the call with `deadline-exceeded`, on both sides. */
  timeoutMs?: number
  metadata?: Readonly<Record<string, string>>
}

/** What is called, with its messages. */
export interface TtrpcCall<Asked, Answer> {
  service: string
  method: string
  request: Codec<unknown, Asked>
  response: Codec<Answer, never>
}

const STREAM_ID_MAX = 0xffffffff

interface Waiter {
  resolve(payload: Uint8Array): void
  reject(error: Error): void
}

/** Unary calls over one socket. When it breaks, what waits fails with `unavailable`, and so does every later call: make a new one. */
export class TtrpcTransport {
  readonly #socket: net.Socket
  readonly #bytesMax: number
  readonly #parser: FrameParser
  readonly #waiters = new Map<number, Waiter>()
  #nextStreamId = 1
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>

  /** @param bytesMax of one message, where both ends agree on another limit than the protocol's. */
  constructor(socket: net.Socket, bytesMax = DATA_BYTES_MAX) {
    this.#socket = socket
    this.#bytesMax = bytesMax
    this.#parser = new FrameParser(bytesMax)
    socket.on('error', () => socket.destroy()) // `close` follows
    socket.on('end', () => socket.destroy())
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#failAll(closed())
        resolve()
      })
    })
    socket.on('data', (chunk: Buffer) => {
      for (const frame of this.#parser.push(chunk)) this.#take(frame)
    })
  }

  /** Calls that wait for their answer. */
  get waiting(): number {
    return this.#waiters.size
  }

  get isOpen(): boolean {
    return this.#socket.writable && this.#nextStreamId < STREAM_ID_MAX
  }

  async call<Asked, Answer>(
    { service, method, request, response }: TtrpcCall<Asked, Answer>,
    value: Asked,
    options: TtrpcCallOptions = {},
  ): Promise<Answer> {
    const bytes = Request.encode({
      service,
      method,
      payload: request.encode(value),
      timeoutNano: BigInt(Math.round((options.timeoutMs ?? 0) * 1e6)),
      metadata: Object.entries(options.metadata ?? {}).map(([key, text]) => ({ key, value: text })),
    })
    return response.decode(await this.#call(bytes, options))
  }

  close(): void {
    this.#socket.destroy()
  }

  async #call(bytes: Uint8Array, { signal, timeoutMs }: TtrpcCallOptions): Promise<Uint8Array> {
    if (!this.isOpen) throw closed()
    const streamId = this.#nextStreamId
    const frame = encodeFrame(streamId, FRAME_TYPE.request, bytes, 0, this.#bytesMax)
    this.#nextStreamId += 2
    let timer: NodeJS.Timeout | undefined
    let cancel = (): void => {}
    try {
      return await new Promise<Uint8Array>((resolve, reject) => {
        // The caller's deadline is a reason of its own.
        cancel = () => reject(isFailure(signal?.reason) ? signal.reason : new Failure('cancelled', 'context canceled'))
        if (signal?.aborted) return cancel()
        this.#waiters.set(streamId, { resolve, reject })
        signal?.addEventListener('abort', cancel, { once: true })
        if (timeoutMs !== undefined)
          timer = setTimeout(() => reject(new Failure('deadline-exceeded', 'context deadline exceeded')), timeoutMs)
        this.#socket.write(frame)
      })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', cancel)
      this.#waiters.delete(streamId)
    }
  }

  #take({ streamId, type, data, length }: Frame): void {
    const waiter = this.#waiters.get(streamId)
    if (waiter === undefined || type !== FRAME_TYPE.response) return // of a call that nobody waits for any more
    if (data === undefined) return waiter.reject(oversized(length, this.#bytesMax))
    try {
      const { status, payload } = Response.decode(data)
      const failure = status === undefined ? undefined : failureOfNumber(status.code, status.message)
      if (failure === undefined) waiter.resolve(payload)
      else waiter.reject(failure)
    } catch (error) {
      waiter.reject(new Failure('internal', 'ttrpc: malformed response', { cause: error }))
    }
  }

  #failAll(error: Failure): void {
    for (const waiter of this.#waiters.values()) waiter.reject(error)
  }
}

/** Rejects with Node's error where nobody listens. */
export function connectTtrpc(path: string, bytesMax = DATA_BYTES_MAX): Promise<TtrpcTransport> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(new TtrpcTransport(socket, bytesMax))
    })
  })
}

function closed(): Failure {
  return new Failure('unavailable', 'ttrpc: closed')
}
