// Connections as long as all that comes over them are plain requests, one after the other's answer. node:http makes a dozen objects for each request and runs
// its answer through streams, which costs more than most answers do. At the first request that is anything else it gets the connection, for good:
// docs/decisions/plain-requests.md.
import type { Socket } from 'node:net'
import type { RouteKey } from '../../api/routes.ts'
import { actFor } from '../events/origin.ts'
import type { EventOrigin } from '../../api/event-types.ts'
import { PlainExchange } from './plain-exchange.ts'
import { parsePlainRequest, type PlainRequest } from './plain-request.ts'
import { type PlainRoute, PlainRoutes } from './plain-routes.ts'
import type { OriginOf } from './peer.ts'
import { encodeWhole, errorAnswer } from './respond.ts'
import type { RequestGuard } from './request-guard.ts'
import type { ApiResponse, Handler, Handlers, HeaderPairs } from './route.ts'

export interface PlainOptions {
  readonly handlers: Handlers
  readonly guard?: RequestGuard
  readonly originOf?: OriginOf
  readonly minApiVersion?: string
  /** What every answer carries. */
  readonly headers: HeaderPairs
  /** How long a client may take to its first request. */
  readonly firstRequestTimeoutMs: number
  /** Gives a connection to node:http. What has been read of it is in its buffer again, and it is paused. */
  giveUp(socket: Socket): void
  /** Tells the log, where that has to know of it; gives the status. */
  judge(key: RouteKey, error: unknown): number
}

export class PlainConnections {
  readonly #options: PlainOptions
  readonly #routes: PlainRoutes
  readonly #open = new Set<PlainConnection>()

  constructor(options: PlainOptions) {
    this.#options = options
    this.#routes = new PlainRoutes(options.minApiVersion)
  }

  accept(socket: Socket): void {
    const connection = new PlainConnection(socket, this.#options, this.#routes, () => this.#open.delete(connection))
    this.#open.add(connection)
  }

  /** Also those that wait for an answer. */
  closeAll(): void {
    for (const connection of this.#open) connection.close()
  }

  /** Those that wait for none. */
  closeIdle(): void {
    for (const connection of this.#open) if (!connection.isBusy) connection.close()
  }
}

class PlainConnection {
  readonly #socket: Socket
  readonly #options: PlainOptions
  readonly #routes: PlainRoutes
  readonly #forget: () => void
  /** It is busy with. */
  #exchange: PlainExchange | undefined
  /** What came before the answer was out. */
  #early: Buffer | undefined
  #hasEnded = false
  #origin: EventOrigin | undefined

  constructor(socket: Socket, options: PlainOptions, routes: PlainRoutes, forget: () => void) {
    this.#socket = socket
    this.#options = options
    this.#routes = routes
    this.#forget = forget
    socket.setTimeout(options.firstRequestTimeoutMs)
    for (const [event, listener] of this.#listeners) socket.on(event, listener)
  }

  get isBusy(): boolean {
    return this.#exchange !== undefined
  }

  close(): void {
    this.#socket.destroy()
  }

  readonly #onData = (bytes: Buffer) => {
    if (this.#exchange !== undefined) {
      this.#early = bytes
      return void this.#socket.pause()
    }
    const request = this.#options.guard?.isOn() ? undefined : parsePlainRequest(bytes)
    const route = request && this.#routes.find(request.method, request.target)
    const handler = route && this.#options.handlers[route.key]
    if (handler === undefined) return this.#giveUp(bytes)
    this.#serve(handler, route as PlainRoute, request as PlainRequest)
  }

  /** A client that only shuts down its writing side has gone too, as Docker sees it; it is answered all the same. */
  readonly #onEnd = () => {
    this.#hasEnded = true
    this.#exchange?.abort()
    if (this.#exchange === undefined) this.#socket.end()
  }

  readonly #onClose = () => {
    this.#forget()
    this.#exchange?.abort()
  }

  readonly #onTimeout = () => void this.#socket.destroy()
  readonly #onDrain = () => void (this.#exchange === undefined && this.#socket.resume())
  readonly #onError = () => {} // it closes

  readonly #listeners = [
    ['data', this.#onData],
    ['end', this.#onEnd],
    ['close', this.#onClose],
    ['timeout', this.#onTimeout],
    ['drain', this.#onDrain],
    ['error', this.#onError],
  ] as const satisfies readonly (readonly [string, (bytes: Buffer) => void])[]

  #giveUp(bytes: Buffer): void {
    const socket = this.#socket
    this.#forget()
    for (const [event, listener] of this.#listeners) socket.off(event, listener)
    socket.setTimeout(0)
    socket.pause()
    socket.unshift(bytes)
    this.#options.giveUp(socket)
    socket.resume()
  }

  #serve(handler: Handler, route: PlainRoute, request: PlainRequest): void {
    if (this.#socket.timeout !== 0) this.#socket.setTimeout(0)
    const exchange = new PlainExchange(request, route)
    this.#exchange = exchange
    this.#origin ??= this.#options.originOf?.(this.#socket)
    const fail = (error: unknown) => this.#answer(errorAnswer(this.#options.judge(route.key, error), error))
    try {
      const found = actFor(this.#origin, () => handler(exchange))
      if (found instanceof Promise) found.then((answer) => this.#answer(answer)).catch(fail)
      else this.#answer(found)
    } catch (error) {
      fail(error)
    }
  }

  #answer(answer: ApiResponse): void {
    const socket = this.#socket
    if (answer.kind === 'stream' || answer.kind === 'hijacked')
      throw new Error(`a plain route answers with ${answer.kind}`)
    const encoded = encodeWhole(answer, this.#options.headers)
    this.#exchange = undefined
    if (socket.destroyed) return
    const isTaken = socket.write(encoded)
    if (this.#hasEnded) return void socket.end()
    const early = this.#early
    this.#early = undefined
    if (early !== undefined) return this.#giveUp(early)
    // Nothing more is read for a client that does not take its answers.
    if (!isTaken) socket.pause()
  }
}
