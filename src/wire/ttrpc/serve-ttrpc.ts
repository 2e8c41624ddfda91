// A ttrpc server: unary calls of a set of services, on whatever the listener accepts.
import type net from 'node:net'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { statusNumber } from '../grpc/status.ts'
import type { Codec } from '../protobuf/message.ts'
import { DATA_BYTES_MAX, encodeFrame, type Frame, FRAME_TYPE, FrameParser, oversized } from './frames.ts'
import { Request, Response } from './messages.ts'

/** What a handler knows of its call. */
export interface TtrpcContext {
  /** Aborts when the client went away or its deadline passed. */
  readonly signal: AbortSignal
  /** Names in lower case. */
  readonly metadata: Readonly<Record<string, string>>
}

/** From the request's bytes to the response's. */
export type TtrpcMethod = (payload: Uint8Array, context: TtrpcContext) => Promise<Uint8Array>

/** By full name, then by method; a map of maps is such. Methods left out are unimplemented. */
export interface TtrpcServices {
  get(service: string): { get(method: string): TtrpcMethod | undefined } | undefined
}

/** A handler with its messages. It throws Failure; other errors are answered as `unknown`. */
export function ttrpcMethod<Asked, Answer>(
  request: Codec<Asked, never>,
  response: Codec<unknown, Answer>,
  handler: (request: Asked, context: TtrpcContext) => Promise<Answer> | Answer,
): TtrpcMethod {
  return async (payload, context) => response.encode(await handler(request.decode(payload), context))
}

/** Answers that a client does not take; beyond that its requests wait. */
const UNSENT_BYTES_MAX = 16 << 20
/** Calls under way on one connection; beyond that they are refused. */
const CALLS_MAX = 16_384

export interface TtrpcServerOptions {
  services: TtrpcServices
  log: Log
  /** Of one message, where both ends agree on another limit than the protocol's. */
  bytesMax?: number
}

export interface TtrpcServer {
  /** Calls that are being handled. */
  readonly active: number
  /** Accepts no more, and hangs up on everybody. */
  close(): void
}

/** Nothing that a client sends or breaks reaches the process as an error. */
export function serveTtrpc(server: net.Server, options: TtrpcServerOptions): TtrpcServer {
  const connections = new Set<ServerConnection>()
  server.on('connection', (socket) => {
    const connection = new ServerConnection(socket, options)
    connections.add(connection)
    socket.once('close', () => connections.delete(connection))
  })
  return {
    get active() {
      let sum = 0
      for (const connection of connections) sum += connection.active
      return sum
    },
    close() {
      server.close()
      for (const connection of connections) connection.hangUp()
    },
  }
}

class ServerConnection {
  readonly #socket: net.Socket
  readonly #options: TtrpcServerOptions
  readonly #bytesMax: number
  readonly #parser: FrameParser
  readonly #calls = new Set<OpenCall>()
  #lastStreamId = 0

  constructor(socket: net.Socket, options: TtrpcServerOptions) {
    this.#socket = socket
    this.#options = options
    this.#bytesMax = options.bytesMax ?? DATA_BYTES_MAX
    this.#parser = new FrameParser(this.#bytesMax)
    socket.on('error', (error) => options.log.debug('ttrpc connection failed', { error: error.message }))
    socket.on('data', (chunk: Buffer) => {
      for (const frame of this.#parser.push(chunk)) this.#take(frame)
    })
    socket.on('drain', () => socket.resume())
    socket.once('end', () => socket.end())
    socket.once('close', () => {
      for (const call of this.#calls) call.abort(new Failure('cancelled', 'context canceled'))
    })
  }

  get active(): number {
    return this.#calls.size
  }

  /** What has been written is still sent. */
  hangUp(): void {
    this.#socket.end(() => this.#socket.destroy())
  }

  #take(frame: Frame): void {
    const { streamId, type, data } = frame
    try {
      if (data === undefined) throw oversized(frame.length, this.#bytesMax)
      if (streamId % 2 !== 1) throw invalid('StreamID must be odd for client initiated streams')
      // No service here streams, so that a stream is over with its request.
      if (type === FRAME_TYPE.data) throw invalid('StreamID is no longer active')
      if (type !== FRAME_TYPE.request) return // as the protocol asks, for what is to come
      if (streamId <= this.#lastStreamId) throw invalid('StreamID cannot be re-used and must increment')
      this.#lastStreamId = streamId
      void this.#answer(streamId, decodeRequest(data))
    } catch (error) {
      this.#fail(streamId, error)
    }
  }

  async #answer(streamId: number, request: Request): Promise<void> {
    const call = new OpenCall(request)
    this.#calls.add(call)
    try {
      if (this.active > CALLS_MAX) throw new Failure('resource-exhausted', 'too many calls')
      const method = this.#find(request)
      const payload = await Promise.race([call.deadline, method(request.payload, call)])
      this.#send(streamId, Response.encode({ payload }))
    } catch (error) {
      if (!isFailure(error))
        this.#options.log.error('ttrpc handler failed', { method: request.method, error: messageOf(error) })
      this.#fail(streamId, error)
    } finally {
      call.close()
      this.#calls.delete(call)
    }
  }

  #find({ service, method }: Request): TtrpcMethod {
    const methods = this.#options.services.get(service)
    const found = methods?.get(method)
    if (found !== undefined) return found
    throw new Failure('unimplemented', methods === undefined ? `service ${service}` : `method ${method}`)
  }

  #fail(streamId: number, error: unknown): void {
    const status = { code: statusNumber(error), message: messageOf(error) }
    this.#send(streamId, Response.encode({ status }))
  }

  #send(streamId: number, bytes: Uint8Array): void {
    if (!this.#socket.writable) return
    this.#socket.write(encodeFrame(streamId, FRAME_TYPE.response, bytes, 0, this.#bytesMax))
    if (this.#socket.writableLength > UNSENT_BYTES_MAX) this.#socket.pause()
  }
}

function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}

function decodeRequest(data: Uint8Array): Request {
  try {
    return Request.decode(data)
  } catch (error) {
    throw new Failure('invalid-argument', `unmarshal request error: ${messageOf(error)}`, { cause: error })
  }
}

const NANOSECONDS_PER_MS = 1_000_000n
const TIMER_MS_MAX = 0x7fffffff

class OpenCall implements TtrpcContext {
  readonly metadata: Readonly<Record<string, string>>
  /** Rejects when the client's patience is over, and never resolves. */
  readonly deadline: Promise<never>
  #reason: Failure | undefined
  #controller: AbortController | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(request: Request) {
    this.metadata = Object.fromEntries(request.metadata.map(({ key, value }) => [key.toLowerCase(), value]))
    this.deadline = new Promise((_resolve, reject) => {
      if (request.timeoutNano <= 0n) return
      const waitMs = Math.min(Number(request.timeoutNano / NANOSECONDS_PER_MS), TIMER_MS_MAX)
      this.#timer = setTimeout(() => {
        const failure = new Failure('deadline-exceeded', 'context deadline exceeded')
        this.abort(failure)
        reject(failure)
      }, waitMs)
    })
  }

  /** Made only when a handler asks for it: most calls are over before anyone could give up on them. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  abort(reason: Failure): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }

  close(): void {
    clearTimeout(this.#timer)
  }
}
