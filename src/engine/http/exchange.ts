// One request and its answer, as the handler sees it.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { RouteKey } from '../../api/routes.ts'
import { hijackHead, type StreamKind, takeSocket } from './hijack.ts'
import { readJsonBody } from './json-body.ts'
import type { HeaderPairs } from './route.ts'
import type { ApiRequest, ApiVersion } from './route.ts'

export interface ExchangeParts {
  key: RouteKey
  params: Readonly<Record<string, string>>
  query: URLSearchParams
  version: ApiVersion
  request: IncomingMessage
  response: ServerResponse
  /** The body, where node:http did not read it: requests that ask for an upgrade. */
  upgradeBody: (() => Promise<Buffer>) | undefined
  /** What every answer carries. */
  common: HeaderPairs
}

export class Exchange implements ApiRequest {
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly version: ApiVersion
  readonly raw: IncomingMessage
  readonly #parts: ExchangeParts
  /** Made for the first who asks: most requests are answered without, and an abort that nobody hears costs as much as one that is heard. */
  #gone: AbortController | undefined
  #isGone = false
  readonly #early: Buffer[] = []
  /** A request that has been read to its end, or that was given up, forgets its own. */
  readonly #socket: Socket
  readonly #onGone = () => {
    this.#isGone = true
    this.#gone?.abort()
  }
  #isHijacked = false

  constructor(parts: ExchangeParts) {
    this.#parts = parts
    this.params = parts.params
    this.query = parts.query
    this.version = parts.version
    this.raw = parts.request
    // A client that only shuts down its writing side has gone too, as Docker sees it: `curl` and the CLI never do that before the answer.
    this.#socket = parts.request.socket
    this.#socket.once('end', this.#onGone)
    parts.response.once('close', this.#onGone)
  }

  get method(): string {
    return this.raw.method ?? ''
  }

  get headers(): Readonly<IncomingHttpHeaders> {
    return this.raw.headers
  }

  get signal(): AbortSignal {
    if (this.#gone === undefined) {
      this.#gone = new AbortController()
      if (this.#isGone) this.#gone.abort()
    }
    return this.#gone.signal
  }

  get isHijacked(): boolean {
    return this.#isHijacked
  }

  /** Bytes behind the request that the HTTP parser could not make sense of; they belong to the stream. */
  keepEarly(bytes: Buffer): void {
    this.#early.push(bytes)
  }

  async json(): Promise<unknown> {
    const { request, upgradeBody } = this.#parts
    return await readJsonBody(request.headers, upgradeBody ? asIterable(upgradeBody) : request)
  }

  async hijack(contentType: StreamKind): Promise<Duplex> {
    const { key, request, common } = this.#parts
    const isUpgrade = 'upgrade' in request.headers
    // Older clients and those that did not ask for an upgrade know one media type only.
    const kind = isUpgrade && this.version.atLeast('1.42') ? contentType : 'raw'
    const socket = await this.takeOver()
    const headers = key === 'POST /exec/{id}/start' ? common : []
    socket.write(hijackHead({ isUpgrade, kind, headers }))
    return socket
  }

  async acceptWebSocket(): Promise<Duplex | undefined> {
    // Loaded for those who want it.
    const { acceptWebSocket } = await import('./websocket.ts')
    return await acceptWebSocket(this.raw, await this.takeOver(), { isBinary: this.version.atLeast('1.28') })
  }

  /** The bare socket; whoever calls writes the head. */
  async takeOver(): Promise<Duplex> {
    const { request, response, upgradeBody } = this.#parts
    this.#isHijacked = true
    response.off('close', this.#onGone)
    this.#socket.off('end', this.#onGone)
    // What is left of the body must not be taken for the stream.
    if (upgradeBody) await upgradeBody()
    else for await (const _ of request);
    const socket = takeSocket(request, response, this.#early)
    socket.once('close', this.#onGone)
    return socket
  }

  /** The answer is out: the connection may serve another request. */
  finish(): void {
    this.#socket.off('end', this.#onGone)
  }
}

async function* asIterable(body: () => Promise<Buffer>): AsyncGenerator<Uint8Array> {
  yield await body()
}
