// Unary calls by ttrpc where the server has a socket for them (serve-router.ts), all others by gRPC.
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from '@bufbuild/protobuf'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { MESSAGE_BYTES_MAX } from '../grpc/frames.ts'
import type { CallOptions } from '../grpc/service.ts'
import type { GrpcTransport } from '../grpc/transport.ts'
import { connectTtrpc, type TtrpcCall, type TtrpcTransport } from './ttrpc-transport.ts'

/** A server without such a socket is asked for it so often. */
const RETRY_MS = 1000
/** As with gRPC's connection: one that hangs is found out, the death of the other side closes the socket. */
const PING_INTERVAL_MS = 30_000
const PING_LIMIT_MS = 60_000

/**
 * What ttrpc has no words for goes over `grpc`: streams, and calls that may be cancelled by a signal. So does everything while nobody listens on `path`, and with
 * it the patience for a server that restarts.
 */
export function preferTtrpc(path: string, grpc: GrpcTransport): GrpcTransport {
  const connection = new Connection(path)
  return {
    async unary(method, request, options) {
      if (options.signal !== undefined) return await grpc.unary(method, request, options)
      const transport = connection.current ?? (await connection.open())
      if (transport === undefined) return await grpc.unary(method, request, options)
      try {
        return await transport.call(callOf(method), request, timed(options))
      } catch (error) {
        if (!transport.isOpen && isFailure(error, 'unavailable')) throw connection.unavailable(error)
        throw error
      }
    },
    stream: (method, requests, options) => grpc.stream(method, requests, options),
    close() {
      connection.close()
      grpc.close()
    },
  }
}

function timed({ headers, timeoutMs }: CallOptions): Parameters<TtrpcTransport['call']>[2] {
  return {
    ...(headers === undefined ? {} : { metadata: headers }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  }
}

const calls = new WeakMap<DescMethod, unknown>()

function callOf<In extends DescMessage, Out extends DescMessage>(method: DescMethod & { input: In; output: Out }) {
  const known = calls.get(method) as ReturnType<typeof describe<In, Out>> | undefined
  if (known !== undefined) return known
  const call = describe(method)
  calls.set(method, call)
  return call
}

function describe<In extends DescMessage, Out extends DescMessage>(method: DescMethod & { input: In; output: Out }) {
  return {
    service: method.parent.typeName,
    method: method.name,
    request: {
      encode: (value: MessageInitShape<In>) => toBinary(method.input, create(method.input, value)),
      decode: (bytes: Uint8Array) => fromBinary(method.input, bytes),
    },
    response: {
      encode: (value: MessageInitShape<Out>) => toBinary(method.output, create(method.output, value)),
      decode: (bytes: Uint8Array) => fromBinary(method.output, bytes),
    },
  }
}

class Connection {
  readonly #path: string
  #transport: TtrpcTransport | undefined
  #opening: Promise<TtrpcTransport | undefined> | undefined
  #isClosed = false
  /** By performance.now(). */
  #failedAtMs = Number.NEGATIVE_INFINITY

  constructor(path: string) {
    this.#path = path
  }

  get current(): TtrpcTransport | undefined {
    return this.#transport?.isOpen === true ? this.#transport : undefined
  }

  /** Undefined where nobody listens. */
  async open(): Promise<TtrpcTransport | undefined> {
    if (this.#isClosed || performance.now() - this.#failedAtMs < RETRY_MS) return undefined
    this.#opening ??= this.#connect()
    return await this.#opening
  }

  close(): void {
    this.#isClosed = true
    this.#transport?.close()
  }

  /** Why calls of this connection break, in the words of gRPC's. */
  unavailable(error: unknown): Failure {
    return new Failure('unavailable', `connection error: unix ${this.#path}: ${messageOf(error)}`, { cause: error })
  }

  async #connect(): Promise<TtrpcTransport | undefined> {
    try {
      const transport = await connectTtrpc(this.#path, MESSAGE_BYTES_MAX)
      if (this.#isClosed) transport.close()
      this.#transport = transport
      watchForLife(transport)
      return transport
    } catch {
      this.#failedAtMs = performance.now() // there is no such socket, or it was left by one that was killed
      return undefined
    } finally {
      this.#opening = undefined
    }
  }
}

const NOTHING = { encode: () => new Uint8Array(), decode: () => undefined }
/** Nobody serves it: any answer is a sign of life. */
const PING: TtrpcCall<undefined, undefined> = { service: 'ping', method: 'Ping', request: NOTHING, response: NOTHING }

function watchForLife(transport: TtrpcTransport): void {
  const timer = setInterval(() => {
    if (transport.waiting === 0) return
    transport.call(PING, undefined, { timeoutMs: PING_LIMIT_MS }).catch((error: unknown) => {
      if (isFailure(error, 'deadline-exceeded')) transport.close()
    })
  }, PING_INTERVAL_MS).unref()
  void transport.closed.then(() => clearInterval(timer))
}
