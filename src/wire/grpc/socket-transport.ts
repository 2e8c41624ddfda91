// Calls methods of a gRPC server behind a unix socket. One connection, made when it is first needed and again when it broke.
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { eagerSocket } from './eager-socket.ts'
import { encodeFrame, FrameParser } from './frames.ts'
import { HTTP2_SETTINGS, LOCAL_WINDOW_BYTES, SESSION_MEMORY_MB } from './http2-settings.ts'
import { methodPath } from './router.ts'
import type { CallOptions } from './service.ts'
import { failureOfStatus } from './status.ts'
import type { GrpcTransport } from './transport.ts'

/** A server that hangs is found out by this; one that died closes the socket. */
const PING_INTERVAL_MS = 30_000
/** The death of the other side closes the socket; this is for one that hangs. One that is busy with two hundred containers may take its time. */
const PING_LIMIT_MS = 60_000

/**
 * Does not connect yet. A call while nobody listens rejects with `unavailable`; the next call tries again.
 * @param patienceMs a unary call waits so long for a server that is not there (it restarts): nothing of it has been sent yet.
 */
export function createSocketTransport(path: string, patienceMs = 0): GrpcTransport {
  const connection = new Connection(path)
  return {
    async unary(method, request, options) {
      if (patienceMs > 0 && !connection.isOpen) await untilListened(path, patienceMs, options.signal)
      return callUnary(connection, method, request, options)
    },
    stream: (method, requests, options) => callStream(connection, method, requests, options),
    close: () => connection.close(),
  }
}

class Connection {
  readonly #path: string
  #session: ClientHttp2Session | undefined

  constructor(path: string) {
    this.#path = path
  }

  open(method: DescMethod, options: CallOptions): ClientHttp2Stream {
    const headers: OutgoingHttpHeaders = {
      ...options.headers,
      ':method': 'POST',
      ':path': methodPath(method),
      'content-type': 'application/grpc',
      te: 'trailers',
    }
    if (options.timeoutMs !== undefined) headers['grpc-timeout'] = `${Math.max(1, Math.ceil(options.timeoutMs))}m`
    return this.#connected().request(headers)
  }

  /** Why streams of this connection break, for the words of a failure. */
  unavailable(error: unknown): Failure {
    return new Failure('unavailable', `connection error: unix ${this.#path}: ${messageOf(error)}`, { cause: error })
  }

  close(): void {
    this.#session?.close()
    this.#session = undefined
  }

  get isOpen(): boolean {
    return this.#session !== undefined && !this.#session.destroyed && !this.#session.closed
  }

  #connected(): ClientHttp2Session {
    const existing = this.#session
    if (existing && !existing.destroyed && !existing.closed) return existing
    const session = connect('http://localhost', {
      createConnection: () => eagerSocket(connectSocket(this.#path)),
      settings: HTTP2_SETTINGS,
      maxSessionMemory: SESSION_MEMORY_MB,
    })
    session.once('connect', () => session.setLocalWindowSize(LOCAL_WINDOW_BYTES))
    session.on('error', () => {}) // each stream is told by itself
    const ping = setInterval(() => pingOrDestroy(session), PING_INTERVAL_MS).unref()
    session.once('close', () => {
      clearInterval(ping)
      if (this.#session === session) this.#session = undefined
    })
    session.on('goaway', () => {
      if (this.#session === session) this.#session = undefined
    })
    this.#session = session
    return session
  }
}

const RETRY_MS = 10

/** Resolves when somebody listens, or when patience is at its end: then the call itself says what is wrong. */
async function untilListened(path: string, patienceMs: number, signal: AbortSignal | undefined): Promise<void> {
  const end = Date.now() + patienceMs
  while (!(await isListened(path)) && Date.now() < end && !signal?.aborted)
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
}

function isListened(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(path)
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

function pingOrDestroy(session: ClientHttp2Session): void {
  if (session.destroyed) return
  const timer = setTimeout(() => session.destroy(new Error('no answer to a ping')), PING_LIMIT_MS).unref()
  session.ping(() => clearTimeout(timer))
}

function callUnary<In extends DescMessage, Out extends DescMessage>(
  connection: Connection,
  method: DescMethod & { input: In; output: Out },
  request: MessageInitShape<In>,
  options: CallOptions,
): Promise<MessageShape<Out>> {
  return new Promise((resolve, reject) => {
    const stream = openStream(connection, method, options)
    const parser = new FrameParser()
    let isAnswered = false
    stream.on('data', (chunk: Buffer) => {
      try {
        // The trailers come a turn of the loop later and bring no news: a server whose call has failed sends no message.
        for (const message of parser.push(chunk)) {
          resolve(fromBinary(method.output, message) as MessageShape<Out>)
          isAnswered = true
        }
      } catch (error) {
        stream.failed ??= error
        stream.close(constants.NGHTTP2_CANCEL)
      }
    })
    stream.once('close', () => {
      if (!isAnswered)
        reject(stream.outcome() ?? new Failure('internal', `${method.name}: the call ended without a response`))
    })
    stream.end(encodeFrame(toBinary(method.input, create(method.input, request))))
  })
}

async function* callStream<In extends DescMessage, Out extends DescMessage>(
  connection: Connection,
  method: DescMethod & { input: In; output: Out },
  requests: AsyncIterable<MessageInitShape<In>>,
  options: CallOptions,
): AsyncGenerator<MessageShape<Out>> {
  const stream = openStream(connection, method, options)
  void sendAll(stream, method, requests)
  const parser = new FrameParser()
  try {
    for await (const chunk of stream)
      for (const bytes of parser.push(chunk as Buffer)) yield fromBinary(method.output, bytes) as MessageShape<Out>
  } catch (error) {
    if (isFailure(error)) throw error
    stream.failed ??= error
  } finally {
    if (!stream.closed) stream.close(stream.readableEnded ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL)
  }
  const failure = stream.outcome()
  if (failure) throw failure
  parser.end()
}

async function sendAll<In extends DescMessage>(
  stream: CallStream,
  method: DescMethod & { input: In },
  requests: AsyncIterable<MessageInitShape<In>>,
): Promise<void> {
  try {
    for await (const request of requests) {
      if (stream.closed || stream.destroyed) return
      const frame = encodeFrame(toBinary(method.input, create(method.input, request)))
      if (!stream.write(frame)) await writable(stream)
    }
    stream.end()
  } catch (error) {
    stream.failed ??= error
    stream.close(constants.NGHTTP2_CANCEL)
  }
}

function writable(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.on('drain', done)
    stream.on('close', done)
  })
}

interface CallStream extends ClientHttp2Stream {
  /** What went wrong on our side, if anything. */
  failed: unknown
  /** To be asked once the stream is over; undefined where the call succeeded. */
  outcome(): Failure | undefined
}

function openStream(connection: Connection, method: DescMethod, options: CallOptions): CallStream {
  if (options.signal?.aborted) throw new Failure('cancelled', 'context canceled')
  let status: string | undefined
  let text = ''
  let httpStatus: number | undefined
  const take = (headers: Record<string, unknown>): void => {
    if (headers['grpc-status'] === undefined) return
    status = String(headers['grpc-status'])
    text = String(headers['grpc-message'] ?? '')
  }
  const stream = connection.open(method, options) as CallStream
  stream.on('response', (headers) => {
    httpStatus = headers[':status']
    take(headers)
    if (httpStatus === 200 && status === undefined) options.onAccepted?.()
  })
  stream.on('trailers', take)
  stream.on('error', (error) => {
    stream.failed ??= error
  })
  watchEnd(stream, options)
  stream.outcome = () => {
    if (status !== undefined) return failureOfStatus(status, text)
    if (isFailure(stream.failed)) return stream.failed
    if (httpStatus !== undefined && httpStatus !== 200)
      return new Failure('unimplemented', `unexpected HTTP status code received from server: ${httpStatus}`)
    return connection.unavailable(stream.failed ?? 'closed before the call was answered')
  }
  return stream
}

function watchEnd(stream: CallStream, options: CallOptions): void {
  const cancel = (failure: Failure): void => {
    stream.failed ??= failure
    stream.close(constants.NGHTTP2_CANCEL)
  }
  const onAbort = (): void => cancel(new Failure('cancelled', 'context canceled'))
  options.signal?.addEventListener('abort', onAbort, { once: true })
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => cancel(new Failure('deadline-exceeded', 'context deadline exceeded')), options.timeoutMs)
  stream.once('close', () => {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', onAbort)
  })
}
