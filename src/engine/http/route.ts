// What a route handler is given and may do. The table of routes is api/routes.ts; the noun folders provide the handlers.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RouteKey } from '../../api/routes.ts'

/** A request whose path, version and method have been understood. */
export interface ApiRequest {
  /** Path parameters by the names in the route table, percent-decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** The negotiated version as [major, minor]; compare with `atLeast`. */
  readonly version: ApiVersion
  readonly method: string
  readonly headers: Readonly<IncomingHttpHeaders>
  /** For what a client sends as a stream. */
  readonly raw: IncomingMessage
  /** Aborted when the client goes away before the response has ended. */
  readonly signal: AbortSignal
  /** The JSON body with Docker's checks (content type, trailing data, size); undefined where there is none. */
  json(): Promise<unknown>
  /** Takes the connection over (attach, exec start): writes the 101 or 200 head, then the socket is the caller's. */
  hijack(contentType: 'raw' | 'multiplexed'): Promise<Duplex>
  /** As `hijack`, for a websocket: messages in either direction are the stream. Undefined: the client asked for none, and has been told so. */
  acceptWebSocket(): Promise<Duplex | undefined>
}

export interface ApiVersion {
  readonly major: number
  readonly minor: number
  atLeast(text: `${number}.${number}`): boolean
}

export type HeaderPairs = readonly (readonly [name: string, value: string])[]

/** What a handler returns; a thrown Failure becomes Docker's error body. */
export type ApiResponse =
  | { kind: 'json'; status: number; body: unknown }
  | { kind: 'empty'; status: number; headers?: HeaderPairs }
  | { kind: 'text'; status: number; body: string; headers?: HeaderPairs }
  /** Headers are flushed at once; the function writes until it resolves, then the response ends. */
  | {
      kind: 'stream'
      status: number
      contentType: string
      headers?: HeaderPairs
      write(response: ServerResponse): Promise<void>
    }
  /** The connection was hijacked; nothing more to do. */
  | { kind: 'hijacked' }

/** One that has nothing to wait for answers at once: a promise costs as much as a small answer. */
export type Handler = (request: ApiRequest) => Promise<ApiResponse> | ApiResponse

/** A route's key in api/routes.ts, `METHOD /path/{name}`, to its handler. */
export type Handlers = Readonly<Partial<Record<RouteKey, Handler>>>
