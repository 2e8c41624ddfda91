// Calls a router of the same process: messages change hands as objects, nothing is encoded.
import { create, type DescMessage, type DescMethod, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { type GrpcRouter, methodPath, type Route, unimplementedText } from './router.ts'
import type { CallContext, CallOptions } from './service.ts'
import type { GrpcTransport } from './transport.ts'

/** Requests belong to the handler and responses to the caller once they are passed: neither side may change what it gave away. */
export function createMemoryTransport(router: GrpcRouter): GrpcTransport {
  return {
    async unary<In extends DescMessage, Out extends DescMessage>(
      method: DescMethod & { input: In; output: Out },
      request: MessageInitShape<In>,
      options: CallOptions,
    ): Promise<MessageShape<Out>> {
      const route = requireRoute(router, method)
      try {
        const response = await route.handler(create(method.input, request), contextOf(options))
        return create(method.output, response as MessageInitShape<Out>)
      } catch (error) {
        throw asFailure(error)
      }
    },

    async *stream<In extends DescMessage, Out extends DescMessage>(
      method: DescMethod & { input: In; output: Out },
      requests: AsyncIterable<MessageInitShape<In>>,
      options: CallOptions,
    ): AsyncIterable<MessageShape<Out>> {
      const route = requireRoute(router, method)
      const stop = new AbortController()
      const context = contextOf(options, stop.signal)
      try {
        for await (const response of invokeStream(route, createAll(method.input, requests), context))
          yield create(method.output, response as MessageInitShape<Out>)
      } catch (error) {
        throw asFailure(error)
      } finally {
        stop.abort() // the caller has left the loop: the handler shall know
      }
    },

    close() {},
  }
}

/** Calls a streaming handler of any kind. */
export async function* invokeStream(
  route: Route,
  requests: AsyncIterable<unknown>,
  context: CallContext,
): AsyncGenerator<unknown> {
  switch (route.method.methodKind) {
    case 'unary':
      yield await route.handler(await only(requests), context)
      return
    case 'server_streaming':
      yield* route.handler(await only(requests), context) as AsyncIterable<unknown>
      return
    case 'client_streaming':
      yield await route.handler(requests, context)
      return
    case 'bidi_streaming':
      yield* route.handler(requests, context) as AsyncIterable<unknown>
  }
}

async function only(requests: AsyncIterable<unknown>): Promise<unknown> {
  for await (const request of requests) return request
  throw new Failure('internal', 'grpc: the call carried no request')
}

async function* createAll<In extends DescMessage>(
  schema: In,
  requests: AsyncIterable<MessageInitShape<In>>,
): AsyncGenerator<MessageShape<In>> {
  for await (const request of requests) yield create(schema, request)
}

function requireRoute(router: GrpcRouter, method: DescMethod): Route {
  const path = methodPath(method)
  const route = router.find(path)
  if (route === undefined) throw new Failure('unimplemented', unimplementedText(router, path))
  return route
}

function contextOf(options: CallOptions, ended?: AbortSignal): CallContext {
  const signals = [
    ...(options.signal ? [options.signal] : []),
    ...(ended ? [ended] : []),
    ...(options.timeoutMs === undefined ? [] : [AbortSignal.timeout(Math.ceil(options.timeoutMs))]),
  ]
  return {
    signal: signals.length === 1 ? signals[0]! : anySignal(signals),
    headers: options.headers ?? {},
    accept: () => options.onAccepted?.(),
  }
}

const NEVER = new AbortController().signal

/** AbortSignal.any, which Node has from 20.3 on. */
function anySignal(signals: readonly AbortSignal[]): AbortSignal {
  return signals.length === 0 ? NEVER : AbortSignal.any([...signals])
}

/** The same codes and texts as over a socket. */
function asFailure(error: unknown): Failure {
  if (isFailure(error)) return error
  const name = error instanceof Error ? error.name : ''
  if (name === 'TimeoutError') return new Failure('deadline-exceeded', 'context deadline exceeded', { cause: error })
  if (name === 'AbortError') return new Failure('cancelled', 'context canceled', { cause: error })
  return new Failure('unknown', messageOf(error), { cause: error })
}
