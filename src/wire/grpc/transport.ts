// A way to call methods, and typed clients over it.
import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { Failure } from '../../base/failure.ts'
import type { CallOptions, Client } from './service.ts'

export interface GrpcTransport {
  /** One request, one response. */
  unary<In extends DescMessage, Out extends DescMessage>(
    method: DescMethod & { input: In; output: Out },
    request: MessageInitShape<In>,
    options: CallOptions,
  ): Promise<MessageShape<Out>>
  /** Any number of both. Leaving the loop over the responses cancels the call. */
  stream<In extends DescMessage, Out extends DescMessage>(
    method: DescMethod & { input: In; output: Out },
    requests: AsyncIterable<MessageInitShape<In>>,
    options: CallOptions,
  ): AsyncIterable<MessageShape<Out>>
  close(): void
}

/** @param headers sent with each call, below those of the call itself. */
export function createClient<Service extends DescService>(
  service: Service,
  transport: GrpcTransport,
  headers: Readonly<Record<string, string>> = {},
): Client<Service> {
  const client: Record<string, unknown> = {}
  for (const method of service.methods) client[method.localName] = createCall(method, transport, headers)
  return client as Client<Service>
}

type Init = MessageInitShape<DescMessage>

function createCall(method: DescMethod, transport: GrpcTransport, headers: Readonly<Record<string, string>>): unknown {
  const complete = (options: CallOptions = {}): CallOptions => ({
    ...options,
    headers: options.headers === undefined ? headers : { ...headers, ...options.headers },
  })
  switch (method.methodKind) {
    case 'unary':
      return (request: Init, options?: CallOptions) => transport.unary(method, request, complete(options))
    case 'server_streaming':
      return (request: Init, options?: CallOptions) => transport.stream(method, once(request), complete(options))
    case 'client_streaming':
      return async (requests: AsyncIterable<Init>, options?: CallOptions) => {
        for await (const response of transport.stream(method, requests, complete(options))) return response
        throw new Failure('internal', `${method.name}: the call ended without a response`)
      }
    case 'bidi_streaming':
      return (requests: AsyncIterable<Init>, options?: CallOptions) =>
        transport.stream(method, requests, complete(options))
  }
}

async function* once<T>(value: T): AsyncIterable<T> {
  yield value
}
