// One HTTP exchange over Node's own client, with failures in the words that Go's uses, since Docker's users know those.
import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
import { isIP, type Socket } from 'node:net'
import { Failure } from '../../base/failure.ts'
import type { TlsFiles } from './tls-files.ts'
import { paced } from './paced-body.ts'
import { openTunnel, proxyAuthorization, proxyFor } from './proxy.ts'

export interface HttpRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH'
  url: URL
  headers: Readonly<Record<string, string>>
  /** Sent with a Content-Length if it is bytes; a stream needs the header given. */
  body?: Uint8Array | AsyncIterable<Uint8Array>
  /** Certificates are not verified. */
  insecure: boolean
  signal: AbortSignal
  tls?: TlsFiles | undefined
  dialTimeoutMs?: number | undefined
  /** How long the head of the answer may take to come; left out: two minutes where nothing is sent, else as long as it is not silent. */
  headTimeoutMs?: number
  /** What a failure to connect is told about, if it is not `url`. */
  shownUrl?: URL
}

/** No byte for that long means that the other side is gone. */
const IDLE_MS = 60_000
/** A head that comes byte by byte is never idle. */
const HEAD_MS = 120_000
/** A body that is read as a whole is a document; nobody waits longer for one. */
const DOCUMENT_MS = 300_000

/** A failure to exchange anything at all. `retryable`: it was the line, not an answer. */
export class ConnectionFailure extends Failure {
  readonly errno: string
  constructor(message: string, errno: string, cause: unknown) {
    super('unavailable', message, { cause })
    this.errno = errno
  }
}

/** Resolves with the head of the answer, whatever its status; the caller reads the body to its end or destroys it. */
export async function sendRequest(request: HttpRequest): Promise<IncomingMessage> {
  request.signal.throwIfAborted()
  const isTls = request.url.protocol === 'https:'
  const start = isTls ? (await import('node:https')).request : httpRequest
  const proxy = proxyFor(request.url)
  const agent = isTls ? await tlsAgent(request) : plainAgent
  const tunnel = isTls && proxy !== undefined ? await tunnelled(request, proxy, agent as HttpsAgent) : undefined
  const exchange = (isRetry: boolean): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const { url, method, signal, body } = request
      const headers: Record<string, string> = { 'user-agent': 'berth', ...request.headers }
      if (body instanceof Uint8Array) headers['content-length'] = String(body.length)
      if (proxy !== undefined && !isTls) Object.assign(headers, { host: url.host }, proxyAuthorization(proxy))
      const sent =
        proxy === undefined || isTls
          ? start(url, { method, headers, agent, signal, timeout: IDLE_MS, ...tunnel })
          : start(proxy, { method, headers, agent, signal, timeout: IDLE_MS, path: url.href })
      sent.on('response', resolve)
      sent.once('socket', hearErrors)
      if (request.dialTimeoutMs !== undefined) limitDial(sent, request.dialTimeoutMs)
      // What is sent may take any time to arrive, and to be stored.
      const headMs = request.headTimeoutMs ?? (body === undefined ? HEAD_MS : undefined)
      if (headMs !== undefined) limitHead(sent, headMs)
      sent.on('timeout', () => sent.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })))
      sent.on('error', (error: NodeJS.ErrnoException) => {
        // A kept connection may be closed by the other side at the moment it is used again: that was no answer.
        const wasStale = sent.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
        const isRepeatable = body === undefined || body instanceof Uint8Array
        if (signal.aborted) reject(signal.reason)
        else if (wasStale && isRepeatable && !isRetry) resolve(exchange(true))
        else reject(connectionFailure(request, error))
      })
      writeBody(sent, body).catch((error) => sent.destroy(error))
    })
  return exchange(false)
}

/** TLS to the registry itself, inside of a connection that the proxy passes on. Not kept: the next request has its own. */
async function tunnelled({ url, signal }: HttpRequest, proxy: URL, { options }: HttpsAgent) {
  const { connect } = await import('node:tls')
  const socket = await openTunnel(proxy, url, signal)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const secure = connect({ ...(options as object), socket, ...(isIP(host) === 0 ? { servername: host } : { host }) })
  return { agent: false as const, createConnection: () => secure }
}

async function writeBody(sent: ClientRequest, body: HttpRequest['body']): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    sent.end(body)
    return
  }
  for await (const part of body) if (!sent.write(part)) await drained(sent)
  sent.end()
}

function drained(sent: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      sent.off('drain', done)
      sent.off('close', done)
      resolve()
    }
    sent.on('drain', done)
    sent.on('close', done)
  })
}

/** A whole body of at most `sizeMax` bytes, which has to come within five minutes. */
export async function readBody(response: IncomingMessage, sizeMax: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  try {
    for await (const part of paced(response, { totalMsMax: DOCUMENT_MS })) {
      size += part.length
      if (size > sizeMax) throw new Failure('resource-exhausted', `answer is larger than ${sizeMax} bytes`)
      parts.push(part)
    }
  } finally {
    response.destroy()
  }
  return Buffer.concat(parts)
}

function limitDial(sent: ClientRequest, limitMs: number): void {
  sent.once('socket', (socket) => {
    if (!socket.connecting) return
    const timeout = () => sent.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' }))
    const timer = setTimeout(timeout, limitMs)
    socket.once('connect', () => clearTimeout(timer))
    socket.once('close', () => clearTimeout(timer))
  })
}

const heard = new WeakSet<Socket>()

/**
 * A request that is aborted when all of its answer is here destroys its socket with an error, and its listener is taken off with the answer's end before that
 * is told: an error that nobody hears ends a daemon. The request has been told by then.
 */
function hearErrors(socket: Socket): void {
  if (heard.has(socket)) return
  heard.add(socket)
  socket.on('error', () => {})
}

function limitHead(sent: ClientRequest, limitMs: number): void {
  const timer = setTimeout(
    () => sent.destroy(new Error('net/http: timeout awaiting response headers')),
    limitMs,
  ).unref()
  sent.once('response', () => clearTimeout(timer))
  sent.once('close', () => clearTimeout(timer))
}

const plainAgent = new HttpAgent({ keepAlive: true, keepAliveMsecs: 5000, timeout: IDLE_MS })
const tlsAgents = new Map<string, HttpsAgent>()
/** A client may change its certificates as often as it likes. */
const TLS_AGENTS_MAX = 32

/** Connections are kept per set of certificates: what one client may see is none of another's business. */
async function tlsAgent({ insecure, tls }: HttpRequest): Promise<HttpsAgent> {
  const key = JSON.stringify([insecure, tls])
  const known = tlsAgents.get(key)
  if (known) return known
  const [{ Agent }, { createSecureContext }, { systemAuthorities }] = await Promise.all([
    import('node:https'),
    import('node:tls'),
    import('./system-authorities.ts'),
  ])
  const { authorities = [], pairs = [] } = tls ?? {}
  const agent = new Agent({
    keepAlive: true,
    keepAliveMsecs: 5000,
    timeout: IDLE_MS,
    rejectUnauthorized: !insecure,
    // Made once, not for every connection: there are some hundred and fifty authorities.
    secureContext: createSecureContext({
      ca: [...systemAuthorities(), ...authorities],
      ...(pairs.length === 0 ? {} : { cert: pairs.map((p) => p.certificate), key: pairs.map((p) => p.key) }),
    }),
  })
  const [oldest] = tlsAgents.keys()
  if (tlsAgents.size >= TLS_AGENTS_MAX && oldest !== undefined) tlsAgents.delete(oldest)
  tlsAgents.set(key, agent)
  return agent
}

/** `Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused`. */
function connectionFailure({ method, url, shownUrl }: HttpRequest, error: NodeJS.ErrnoException): ConnectionFailure {
  const verb = method[0] + method.slice(1).toLowerCase()
  const shown = new URL(shownUrl ?? url)
  shown.username = shown.password = ''
  return new ConnectionFailure(`${verb} "${shown}": ${explain(url, error)}`, error.code ?? '', error)
}

function explain(url: URL, error: NodeJS.ErrnoException): string {
  // Several addresses were tried: the last one's error stands for all.
  const inner = error instanceof AggregateError ? (error.errors.at(-1) as NodeJS.ErrnoException | undefined) : undefined
  const { code = '', message } = inner ?? error
  const { address, port } = (inner ?? error) as { address?: string; port?: number }
  const at = address === undefined ? url.host : `${address.includes(':') ? `[${address}]` : address}:${port}`
  const connect = CONNECT_ERRORS[code]
  if (connect !== undefined) return `dial tcp ${at}: connect: ${connect}`
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${url.hostname}: no such host`
  if (code === 'EAI_AGAIN') return `dial tcp: lookup ${url.hostname}: Temporary failure in name resolution`
  if (code === 'ETIMEDOUT') return `dial tcp ${at}: i/o timeout`
  if (code === 'ECONNRESET') return /socket hang up|TLS/.test(message) ? 'EOF' : 'read: connection reset by peer'
  if (isPlainHttpAnswer(error)) return 'http: server gave HTTP response to HTTPS client'
  return TLS_ERRORS[code] ?? message
}

/** A plain HTTP server answered a TLS hello. */
export function isPlainHttpAnswer(error: unknown): boolean {
  const { code = '', message = '' } = (error ?? {}) as { code?: string; message?: string }
  return (
    code === 'ERR_SSL_WRONG_VERSION_NUMBER' ||
    code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG' ||
    (code === 'EPROTO' && /wrong version number|packet length too long/.test(message))
  )
}

const CONNECT_ERRORS: Partial<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  EADDRNOTAVAIL: 'cannot assign requested address',
}

const TLS_ERRORS: Partial<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls: failed to verify certificate: x509: certificate signed by unknown authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls: failed to verify certificate: x509: certificate signed by unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls: failed to verify certificate: x509: certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls: failed to verify certificate: x509: certificate signed by unknown authority',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'remote error: tls: certificate required',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'remote error: tls: bad certificate',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'remote error: tls: unknown certificate authority',
  CERT_HAS_EXPIRED: 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid',
}
