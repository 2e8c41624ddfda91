// A ttrpc server: unary calls of a router's services, on whatever the listener accepts.
import { create, fromBinary, type Message, toBinary } from '@bufbuild/protobuf'
import type net from 'node:net'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { type Request, RequestSchema, ResponseSchema } from '../../gen/ttrpc/request_pb.ts'
import type { GrpcRouter, Route } from '../grpc/router.ts'
import type { CallContext } from '../grpc/service.ts'
import { statusNumber } from '../grpc/status.ts'
import { encodeFrame, type Frame, FRAME_TYPE, FrameParser, oversized } from './frames.ts'

/** Answers that a client does not take; beyond that its requests wait. */
const UNSENT_BYTES_MAX = 16 << 20
/** Calls under way on one connection; beyond that they are refused. */
const CALLS_MAX = 16_384

export interface TtrpcServerOptions {
  router: GrpcRouter
  log: Log
  /** Services that are served under a second name too: the other name's requests are handed to this one. */
  aliases?: ReadonlyMap<string, string>
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
  active = 0
  readonly #socket: net.Socket
  readonly #options: TtrpcServerOptions
  readonly #parser = new FrameParser()
  readonly #closed = new AbortController()
  #lastStreamId = 0

  constructor(socket: net.Socket, options: TtrpcServerOptions) {
    this.#socket = socket
    this.#options = options
    socket.on('error', (error) => options.log.debug('ttrpc connection failed', { error: error.message }))
    socket.on('data', (chunk: Buffer) => {
      for (const frame of this.#parser.push(chunk)) this.#take(frame)
    })
    socket.on('drain', () => socket.resume())
    socket.once('end', () => socket.end())
    socket.once('close', () => this.#closed.abort(new Failure('cancelled', 'context canceled')))
  }

  /** What has been written is still sent. */
  hangUp(): void {
    this.#socket.end(() => this.#socket.destroy())
  }

  #take(frame: Frame): void {
    const { streamId, type, data } = frame
    try {
      if (data === undefined) throw oversized(frame.length)
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
    this.active++
    const call = openCall(request, this.#closed.signal)
    try {
      if (this.active > CALLS_MAX) throw new Failure('resource-exhausted', 'too many calls')
      const route = this.#route(request)
      const response = await Promise.race([
        call.deadline,
        route.handler(decodePayload(route, request.payload), call.context),
      ])
      const payload = toBinary(route.method.output, create(route.method.output, response as Message))
      this.#send(streamId, toBinary(ResponseSchema, create(ResponseSchema, { payload })))
    } catch (error) {
      if (!isFailure(error))
        this.#options.log.error('ttrpc handler failed', { method: request.method, error: messageOf(error) })
      this.#fail(streamId, error)
    } finally {
      call.release()
      this.active--
    }
  }

  #route({ service, method }: Request): Route {
    const { router, aliases } = this.#options
    const name = aliases?.get(service) ?? service
    const route = router.find(`/${name}/${method}`)
    if (route !== undefined && route.method.methodKind === 'unary') return route
    throw new Failure('unimplemented', router.knows(name) ? `method ${method}` : `service ${service}`)
  }

  #fail(streamId: number, error: unknown): void {
    const status = { code: statusNumber(error), message: messageOf(error) }
    this.#send(streamId, toBinary(ResponseSchema, create(ResponseSchema, { status })))
  }

  #send(streamId: number, bytes: Uint8Array): void {
    if (!this.#socket.writable) return
    this.#socket.write(encodeFrame(streamId, FRAME_TYPE.response, bytes))
    if (this.#socket.writableLength > UNSENT_BYTES_MAX) this.#socket.pause()
  }
}

function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}

function decodeRequest(data: Uint8Array): Request {
  try {
    return fromBinary(RequestSchema, data)
  } catch (error) {
    throw new Failure('invalid-argument', `unmarshal request error: ${messageOf(error)}`, { cause: error })
  }
}

function decodePayload(route: Route, payload: Uint8Array): Message {
  try {
    return fromBinary(route.method.input, payload)
  } catch (error) {
    throw new Failure('internal', `ttrpc: error unmarshalling payload: ${messageOf(error)}`, { cause: error })
  }
}

const NANOSECONDS_PER_MS = 1_000_000n
const TIMER_MS_MAX = 0x7fffffff

/** A call's view of itself. `deadline` rejects when the client's patience is over, and never resolves. */
function openCall(
  request: Request,
  closed: AbortSignal,
): { context: CallContext; deadline: Promise<never>; release(): void } {
  const controller = new AbortController()
  const onClosed = (): void => controller.abort(closed.reason)
  closed.addEventListener('abort', onClosed, { once: true })
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    if (request.timeoutNano <= 0n) return
    const waitMs = Math.min(Number(request.timeoutNano / NANOSECONDS_PER_MS), TIMER_MS_MAX)
    timer = setTimeout(() => {
      const failure = new Failure('deadline-exceeded', 'context deadline exceeded')
      controller.abort(failure)
      reject(failure)
    }, waitMs)
  })
  const headers = Object.fromEntries(request.metadata.map(({ key, value }) => [key.toLowerCase(), value]))
  return {
    context: { signal: controller.signal, headers, accept() {} },
    deadline,
    release() {
      clearTimeout(timer)
      closed.removeEventListener('abort', onClosed)
    },
  }
}
