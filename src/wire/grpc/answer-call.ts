// One call on the server: request frames in, handler, response frames and status out.
import { create, type DescMethod, fromBinary, type Message, toBinary } from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { runOperation } from '../../base/operation.ts'
import { encodeAnyFrame, encodeFrame, FrameParser, MESSAGE_BYTES_MAX, PREFIX_BYTES } from './frames.ts'
import { invokeStream } from './memory-transport.ts'
import { type GrpcRouter, type Route, unimplementedText } from './router.ts'
import type { CallContext } from './service.ts'
import { parseTimeout, statusNumber, statusTrailers } from './status.ts'

/** What may wait for the socket: a message of 32 KiB alone is more than Node likes to, and waiting for each is half of such a stream's time. */
const UNSENT_BYTES_MAX = 256 * 1024

const RESPONSE_HEADERS = { ':status': 200, 'content-type': 'application/grpc' } as const
const CANCELLED = 1
const STATUS_OK = { 'grpc-status': '0', 'grpc-message': '' } as const

/** Told of every call to a method that there is; kept cheap by whoever implements it. */
export interface CallObserver {
  begin(method: DescMethod): CallWatch
}

export interface CallWatch {
  received(): void
  sent(): void
  /** Once, last. `status` is gRPC's number. */
  end(status: number): void
}

export interface CallOptions {
  log: Log
  /** Of one message. */
  receiveBytesMax?: number
  sendBytesMax?: number
  observer?: CallObserver
}

/** Answers in any case, unless the client is gone. Never throws. Resolves when the handler is done. */
export async function answerCall(
  router: GrpcRouter,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  options: CallOptions,
): Promise<void> {
  const { log } = options
  stream.on('error', (error) => log.debug('grpc stream failed', { error: error.message }))
  if (!String(headers['content-type']).startsWith('application/grpc')) {
    stream.respond({ ':status': 415 }, { endStream: true })
    return
  }
  const path = String(headers[':path'])
  const route = router.find(path)
  if (route === undefined) {
    stream.resume()
    answerFailure(stream, new Failure('unimplemented', unimplementedText(router, path)))
    return
  }
  const { context, release } = openContext(stream, headers)
  const watch = options.observer?.begin(route.method)
  const call = { route, stream, context, watch, options }
  let status = 0
  try {
    status = await runOperation(path, () =>
      route.method.methodKind === 'unary' ? answerUnary(call) : answerStream(call),
    )
  } catch (error) {
    status = statusNumber(error)
    if (!isFailure(error)) log.error('grpc handler failed', { path, error: messageOf(error) })
    answerFailure(stream, error)
  } finally {
    release()
    watch?.end(status)
  }
}

interface Call {
  route: Route
  stream: ServerHttp2Stream
  context: CallContext
  watch: CallWatch | undefined
  options: CallOptions
}

/** Most calls: one frame each way, no iterators in between. */
async function answerUnary({ route, stream, context, watch, options }: Call): Promise<number> {
  const request = decode(route.method, await readOnlyMessage(stream, options.receiveBytesMax))
  watch?.received()
  const response = encode(route.method, await route.handler(request, context), options.sendBytesMax)
  if (stream.closed || stream.destroyed) return CANCELLED
  watch?.sent()
  sendHeaders(stream)
  stream.once('wantTrailers', () => stream.sendTrailers(STATUS_OK))
  stream.end(response)
  return 0
}

async function answerStream(call: Call): Promise<number> {
  const { route, stream, context, watch, options } = call
  let trailers: Record<string, string> = STATUS_OK
  stream.once('wantTrailers', () => stream.sendTrailers(trailers))
  const { signal } = context
  try {
    for await (const response of invokeStream(route, readMessages(call), context)) {
      if (stream.destroyed) return CANCELLED
      sendHeaders(stream)
      const isTaken = stream.write(encode(route.method, response, options.sendBytesMax))
      watch?.sent()
      if (!isTaken && stream.writableLength > UNSENT_BYTES_MAX) await drained(stream)
    }
    if (signal.aborted) trailers = statusTrailers(signal.reason)
  } catch (error) {
    trailers = statusTrailers(error)
  }
  const status = Number(trailers['grpc-status'])
  if (stream.closed || stream.destroyed) return status === 0 ? CANCELLED : status
  sendHeaders(stream)
  stream.end()
  return status
}

function sendHeaders(stream: ServerHttp2Stream): void {
  if (!stream.headersSent && !stream.closed && !stream.destroyed)
    stream.respond(RESPONSE_HEADERS, { waitForTrailers: true })
}

function answerFailure(stream: ServerHttp2Stream, error: unknown): void {
  if (stream.closed || stream.destroyed || stream.headersSent) return
  stream.respond({ ...RESPONSE_HEADERS, ...statusTrailers(error) }, { endStream: true })
}

function readOnlyMessage(stream: ServerHttp2Stream, bytesMax: number | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parser = new FrameParser(bytesMax)
    let message: Buffer | undefined
    let hasEnded = false
    stream.on('data', (chunk: Buffer) => {
      try {
        for (const found of parser.push(chunk)) message ??= found
      } catch (error) {
        stream.removeAllListeners('data')
        stream.resume()
        reject(error)
      }
    })
    stream.once('end', () => {
      hasEnded = true
      if (message === undefined) reject(new Failure('internal', 'grpc: the call carried no whole request'))
      else resolve(message)
    })
    stream.once('close', () => {
      if (!hasEnded) reject(new Failure('cancelled', 'context canceled'))
    })
  })
}

/** The requests of a stream. Leaving the loop early leaves the stream open: the response is still to be sent. */
async function* readMessages({ route, stream, watch, options }: Call): AsyncGenerator<Message> {
  const parser = new FrameParser(options.receiveBytesMax)
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false }))
      for (const bytes of parser.push(chunk as Buffer)) {
        watch?.received()
        yield decode(route.method, bytes)
      }
  } catch (error) {
    if (isFailure(error)) throw error
    throw new Failure('cancelled', 'context canceled', { cause: error })
  }
  if (stream.aborted) throw new Failure('cancelled', 'context canceled')
  parser.end()
}

function decode(method: DescMethod, bytes: Uint8Array): Message {
  try {
    return fromBinary(method.input, bytes)
  } catch (error) {
    throw new Failure('internal', `grpc: error unmarshalling request: ${messageOf(error)}`, { cause: error })
  }
}

function encode(method: DescMethod, response: unknown, bytesMax = MESSAGE_BYTES_MAX): Buffer {
  const frame =
    method.output.typeName === AnySchema.typeName
      ? encodeAnyFrame(create(AnySchema, response as Any))
      : encodeFrame(toBinary(method.output, create(method.output, response as Message)))
  const size = frame.length - PREFIX_BYTES
  if (size > bytesMax)
    throw new Failure('resource-exhausted', `grpc: trying to send message larger than max (${size} vs. ${bytesMax})`)
  return frame
}

function drained(stream: ServerHttp2Stream): Promise<void> {
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

/** The signal is made only when a handler asks for it: most calls are over before anyone could cancel them. */
function openContext(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): { context: CallContext; release: () => void } {
  const timeoutMs = parseTimeout(headers['grpc-timeout'] as string | undefined)
  let controller: AbortController | undefined
  let timer: NodeJS.Timeout | undefined
  const onClose = (): void => controller?.abort(new Failure('cancelled', 'context canceled'))
  const context: CallContext = {
    headers: headers as Record<string, string | undefined>,
    accept: () => sendHeaders(stream),
    get signal() {
      if (controller === undefined) {
        controller = new AbortController()
        if (stream.destroyed || stream.closed) onClose()
        else stream.once('close', onClose)
        if (timeoutMs !== undefined)
          timer = setTimeout(
            () => controller?.abort(new Failure('deadline-exceeded', 'context deadline exceeded')),
            timeoutMs,
          )
      }
      return controller.signal
    },
  }
  const release = (): void => {
    clearTimeout(timer)
    stream.off('close', onClose)
  }
  return { context, release }
}
