// A request that came whole, and its answer, as the handler sees it.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { parseJsonBody } from './json-body.ts'
import type { PlainRequest } from './plain-request.ts'
import type { ApiRequest, ApiVersion } from './route.ts'

export class PlainExchange implements ApiRequest {
  readonly params: Readonly<Record<string, string>>
  readonly version: ApiVersion
  readonly #request: PlainRequest
  readonly #queryText: string
  #query: URLSearchParams | undefined
  /** Made for the first who asks, as an Exchange's is. */
  #gone: AbortController | undefined
  #isGone = false

  constructor(
    request: PlainRequest,
    place: { params: Readonly<Record<string, string>>; version: ApiVersion; queryText: string },
  ) {
    this.#request = request
    this.params = place.params
    this.version = place.version
    this.#queryText = place.queryText
  }

  get method(): string {
    return this.#request.method
  }

  get headers(): Readonly<IncomingHttpHeaders> {
    return this.#request.headers
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#queryText)
    return this.#query
  }

  get signal(): AbortSignal {
    if (this.#gone === undefined) {
      this.#gone = new AbortController()
      if (this.#isGone) this.#gone.abort()
    }
    return this.#gone.signal
  }

  /** The client has gone before its answer. */
  abort(): void {
    this.#isGone = true
    this.#gone?.abort()
  }

  async json(): Promise<unknown> {
    return parseJsonBody(this.#request.headers, this.#request.body)
  }

  get raw(): IncomingMessage {
    throw new Error('a route that streams its request is no plain one')
  }

  hijack(): Promise<Duplex> {
    throw new Error('a route that takes its connection over is no plain one')
  }

  acceptWebSocket(): Promise<Duplex | undefined> {
    throw new Error('a route that takes its connection over is no plain one')
  }
}
