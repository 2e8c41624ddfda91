// The HTTP front door: from a connection's bytes to a handler and back. Docker's version rules, headers, error bodies and hijacking.
import { type IncomingMessage, Server, type ServerOptions, ServerResponse, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TlsOptions } from 'node:tls'
import type { RouteKey } from '../../api/routes.ts'
import { compareVersions } from '../../api/versions.ts'
import { isFailure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { actFor } from '../events/origin.ts'
import { negotiateVersion } from './api-version.ts'
import { statusOf } from './error-status.ts'
import { Exchange } from './exchange.ts'
import { hijackFailure } from './hijack.ts'
import type { OriginOf } from './peer.ts'
import { PlainConnections, type PlainOptions } from './plain-connections.ts'
import { apiHeaders, bodyOf, headersOf, VERSION_HEADERS, writeError, writeResponse } from './respond.ts'
import { type Admission, readAtMost, type RequestGuard } from './request-guard.ts'
import type { ApiResponse, Handler, Handlers, HeaderPairs } from './route.ts'
import { cleanPath, matchRegistry, matchRoute, type RouteMatch } from './router.ts'
import { takeUpgradeBody } from './upgrade-body.ts'

/** `X-Registry-Auth` and `filters` can be long. */
const HEADER_BYTES_MAX = 256 * 1024
const HEADERS_TIMEOUT_MS = 5 * 60_000

/** Of plain servers Node's own have it: a client's end of input must not end its output. The types do not know the option. */
const HALF_OPEN: object = { allowHalfOpen: true }

/** Its failures are raw text, even before the connection is hijacked. */
const RAW_ERROR_ROUTE: RouteKey = 'POST /containers/{id}/attach'

export interface ApiServerOptions {
  readonly handlers: Handlers
  readonly log: Log
  /** Of our oldest version where nothing is said. */
  readonly minApiVersion?: string
  readonly isExperimental?: boolean
  readonly tls?: TlsOptions | undefined
  readonly guard?: RequestGuard
  readonly originOf?: OriginOf
}

interface Served extends ApiServerOptions {
  readonly headers: HeaderPairs
  /** The exchange that a connection is busy with. */
  readonly busy: WeakMap<Duplex, Exchange>
  /** What a connection's last request is answered with. */
  readonly last: WeakMap<Duplex, ServerResponse>
}

/** Not listening yet: see listen.ts. */
export function createApiServer(options: ApiServerOptions): Server {
  const headers = apiHeaders(options.isExperimental ?? false)
  const served: Served = { ...options, headers, busy: new WeakMap(), last: new WeakMap() }
  const settings = {
    // Clients pool connections and expect them to stay; an upload takes as long as it takes.
    keepAliveTimeout: 0,
    requestTimeout: 0,
    headersTimeout: HEADERS_TIMEOUT_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
  }
  const server =
    options.tls === undefined
      ? new PlainFirstServer(settings, {
          ...options,
          headers,
          firstRequestTimeoutMs: HEADERS_TIMEOUT_MS,
          judge: (key, error) => judge(served, key, error),
        })
      : createTlsServer({ ...settings, ...options.tls, ...HALF_OPEN })
  // A half-closed connection still gets its answer. node:http has this property but no option for it.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on('request', (request, response) => void serve(served, request, response, undefined))
  server.on('upgrade', (request, socket, head) => serveUpgrade(served, request, socket, head))
  server.on('clientError', (error, socket) => refuse(served, error, socket))
  return server
}

/** node:http, behind what serves the requests that do not need it. */
class PlainFirstServer extends Server {
  readonly #plain: PlainConnections

  constructor(settings: ServerOptions, options: Omit<PlainOptions, 'giveUp'>) {
    super(settings)
    const takers = this.listeners('connection')
    this.removeAllListeners('connection')
    const giveUp = (socket: Socket) => {
      for (const take of takers) take.call(this, socket)
    }
    this.#plain = new PlainConnections({ ...options, giveUp })
    this.on('connection', (socket) => this.#plain.accept(socket))
  }

  override closeIdleConnections(): void {
    this.#plain.closeIdle()
    super.closeIdleConnections()
  }

  override closeAllConnections(): void {
    this.#plain.closeAll()
    super.closeAllConnections()
  }
}

async function serve(
  served: Served,
  request: IncomingMessage,
  response: ServerResponse,
  upgradeBody: (() => Promise<Buffer>) | undefined,
): Promise<void> {
  // Go's server sends no such header on a connection that stays open.
  if (response.shouldKeepAlive) response.removeHeader('connection')
  closeBehindLast(served, request.socket, response)
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  const path = decodePath(mark < 0 ? url : url.slice(0, mark))
  if (path === undefined) return refusePlainly(request.socket, '400 Bad Request')
  const clean = cleanPath(path)
  if (clean !== path) return redirect(response, clean, mark < 0 ? '' : url.slice(mark))
  const ofRegistry = matchRegistry(request.method ?? '', path)
  const isRegistry = ofRegistry !== undefined && served.handlers[ofRegistry.key] !== undefined
  const match = isRegistry ? ofRegistry : matchRoute(request.method ?? '', path)
  const handler = match && served.handlers[match.key]
  if (!match || !handler) return writeError(response, 404, 'page not found', [])
  const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
  await answer(served, { match, handler, query, request, response, upgradeBody })
}

/** node:http closes behind the answer to a client that sends no more, but forgets that where the answer has no header about its connection. */
function closeBehindLast({ last }: Served, socket: Socket, response: ServerResponse): void {
  if (!last.has(socket))
    socket.once('end', () => {
      const answer = last.get(socket)
      if (answer && !answer.headersSent) answer.shouldKeepAlive = false
    })
  last.set(socket, response)
}

interface Job {
  match: RouteMatch
  handler: Handler
  query: URLSearchParams
  request: IncomingMessage
  response: ServerResponse
  upgradeBody: (() => Promise<Buffer>) | undefined
}

async function answer(served: Served, job: Job): Promise<void> {
  const { match, request, response } = job
  let exchange: Exchange | undefined
  let common: HeaderPairs = []
  try {
    const admission = served.guard?.isOn() ? await admit(served.guard, job) : undefined
    common = VERSION_HEADERS
    const version = negotiateVersion(match.version, served.minApiVersion)
    common = served.headers
    const opened = new Exchange({ ...job, key: match.key, params: match.params, version, common })
    exchange = opened
    served.busy.set(request.socket, opened)
    await actFor(served.originOf?.(request.socket), async () => {
      const found = await job.handler(opened)
      if (admission) await release(admission, found, common)
      await writeResponse(response, found, common)
    })
  } catch (error) {
    await report(served, job, exchange, common, error)
  } finally {
    exchange?.finish()
  }
}

/** The body that was read for it is given to the handler again. */
async function admit(guard: RequestGuard, job: Job): Promise<Admission> {
  const { request, response, upgradeBody } = job
  const readBody = async (bytesMax: number) => {
    const body = await (upgradeBody?.() ?? readAtMost(request, bytesMax))
    if (body !== undefined && body.length <= bytesMax) return body
    response.shouldKeepAlive = false // the rest is never read
    return undefined
  }
  const admission = await guard.admit(request, readBody)
  const { body } = admission
  if (body !== undefined) job.upgradeBody = async () => body
  return admission
}

/** A stream is released before it begins, a connection that was handed over is past releasing. */
async function release(admission: Admission, answer: ApiResponse, common: HeaderPairs): Promise<void> {
  if (answer.kind === 'hijacked') return
  const headers = Object.fromEntries([...common, ...headersOf(answer)])
  await admission.release({ status: answer.status, headers, body: bodyOf(answer) })
}

async function report(
  served: Served,
  job: Job,
  exchange: Exchange | undefined,
  common: HeaderPairs,
  error: unknown,
): Promise<void> {
  const { match, request, response } = job
  const status = judge(served, match.key, error)
  if (exchange?.isHijacked) request.socket.destroy()
  else if (response.headersSent) response.destroy()
  else if (exchange && match.key === RAW_ERROR_ROUTE && status !== 304) {
    const socket = await exchange.takeOver().catch(() => undefined)
    socket?.end(hijackFailure(status, STATUS_CODES[status] ?? '', messageOf(error)))
    socket?.resume() // to see the other side's end, and close
  } else writeError(response, status, error, common, match.version !== undefined && isAncient(match.version))
}

/** The status of a failure; what is the engine's own is told to the log. */
function judge(served: Served, key: RouteKey, error: unknown): number {
  const status = statusOf(error)
  if (status >= 500) logError(served.log, key, error)
  return status
}

/** An upgrade request without a handler that hijacks is answered like any other, and its connection ends. */
function serveUpgrade(served: Served, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const connection = socket as Socket
  connection.on('error', () => {})
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(connection)
  response.once('finish', () => connection.end())
  let body: Promise<Buffer> | undefined
  const upgradeBody = () => {
    body ??= takeUpgradeBody(request, connection, head)
    return body
  }
  void serve(served, request, response, upgradeBody)
}

/** Bytes that are no HTTP: early input of a stream about to be hijacked, or a client to turn away. */
function refuse(
  served: Served,
  error: NodeJS.ErrnoException & { rawPacket?: Buffer; bytesParsed?: number },
  socket: Duplex,
): void {
  const exchange = served.busy.get(socket)
  if (exchange && error.rawPacket && !exchange.signal.aborted)
    return exchange.keepEarly(error.rawPacket.subarray(error.bytesParsed ?? 0))
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  const isTooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  refusePlainly(socket, isTooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request')
}

/** What Go's server says of a request that it can't read; it counts as no answer of the API. */
function refusePlainly(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`)
}

function redirect(response: ServerResponse, path: string, search: string): void {
  response.writeHead(301, { Location: `${encodeURI(path)}${search}`, 'Content-Length': '0' })
  response.end()
}

function decodePath(path: string): string | undefined {
  try {
    return path.includes('%') ? decodeURIComponent(path) : path
  } catch {
    return undefined
  }
}

function isAncient(version: string): boolean {
  return compareVersions(version, '1.24') < 0
}

function logError(log: Log, route: string, error: unknown): void {
  const stack = !isFailure(error) && error instanceof Error ? error.stack : undefined
  log.error(`Handler for ${route} returned error`, { error: messageOf(error), stack })
}
