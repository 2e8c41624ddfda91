// How a gRPC service looks from both ends, derived from the generated service descriptors.
import type {
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'

export interface CallOptions {
  signal?: AbortSignal
  /** Ends the call with `deadline-exceeded`, on both sides. */
  timeoutMs?: number
  /** Request metadata, names in lower case. */
  headers?: Readonly<Record<string, string>>
  /** Called once the handler of a streaming call has accepted it (CallContext.accept), before its first response. */
  onAccepted?: () => void
}

/** What a client of `Service` can call. Failed calls reject with Failure. */
export type Client<Service extends DescService> = {
  [Name in keyof Service['method']]: Service['method'][Name] extends DescMethodUnary<infer In, infer Out>
    ? (request: MessageInitShape<In>, options?: CallOptions) => Promise<MessageShape<Out>>
    : Service['method'][Name] extends DescMethodServerStreaming<infer In, infer Out>
      ? (request: MessageInitShape<In>, options?: CallOptions) => AsyncIterable<MessageShape<Out>>
      : Service['method'][Name] extends DescMethodClientStreaming<infer In, infer Out>
        ? (requests: AsyncIterable<MessageInitShape<In>>, options?: CallOptions) => Promise<MessageShape<Out>>
        : Service['method'][Name] extends DescMethodBiDiStreaming<infer In, infer Out>
          ? (requests: AsyncIterable<MessageInitShape<In>>, options?: CallOptions) => AsyncIterable<MessageShape<Out>>
          : never
}

/** What a handler knows of its call. */
export interface CallContext {
  /** Aborts when the client went away, cancelled, or its deadline passed. */
  readonly signal: AbortSignal
  /** Request metadata, names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Tells the caller of a streaming call, before the first response, that what it asked for is set up. Idempotent; no need to call it. */
  accept(): void
}

/** What a server of `Service` implements. Handlers throw Failure; other errors are answered as `unknown`. Methods left out are `unimplemented`. */
export type ServiceHandlers<Service extends DescService> = {
  [Name in keyof Service['method']]?: Service['method'][Name] extends DescMethodUnary<infer In, infer Out>
    ? (request: MessageShape<In>, context: CallContext) => Promise<MessageInitShape<Out>> | MessageInitShape<Out>
    : Service['method'][Name] extends DescMethodServerStreaming<infer In, infer Out>
      ? (request: MessageShape<In>, context: CallContext) => AsyncIterable<MessageInitShape<Out>>
      : Service['method'][Name] extends DescMethodClientStreaming<infer In, infer Out>
        ? (requests: AsyncIterable<MessageShape<In>>, context: CallContext) => Promise<MessageInitShape<Out>>
        : Service['method'][Name] extends DescMethodBiDiStreaming<infer In, infer Out>
          ? (requests: AsyncIterable<MessageShape<In>>, context: CallContext) => AsyncIterable<MessageInitShape<Out>>
          : never
}
