// The listening server: its limits against clients that send slowly or too much, TLS, and its end.
import { readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { HttpSettings, TlsSettings } from '../config/settings.ts'

/** A request's head has to be here within that; slow heads would hold connections for nothing. */
const HEAD_MS = 30_000
/** No byte in either direction for that long. Uploads of any length are well as long as they move. */
const IDLE_MS = 120_000
const KEEP_ALIVE_MS = 65_000
const HEAD_BYTES_MAX = 32 * 1024
const HEADERS_MAX = 100

export interface Listening {
  /** `127.0.0.1:5000`, or the socket's path. */
  address: string
  /** Takes no more connections, waits `drainMs` for requests under way, ends the rest. */
  close(drainMs: number): Promise<void>
}

export async function listen(
  http: Pick<HttpSettings, 'address' | 'tls'>,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Listening> {
  const limits = {
    maxHeaderSize: HEAD_BYTES_MAX,
    headersTimeout: HEAD_MS,
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
  }
  const server: Server =
    http.tls === undefined
      ? createServer(limits, answer)
      : createTlsServer({ ...limits, ...tlsOptions(http.tls) }, answer)
  if (http.tls !== undefined) refuseCertificates(server, http.tls.clientAuth)
  server.maxHeadersCount = HEADERS_MAX
  server.timeout = IDLE_MS
  const { address } = http
  if (address.kind === 'unix') rmSync(address.path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(
      address.kind === 'unix' ? { path: address.path } : { port: address.port, host: address.host },
      resolve,
    )
  })
  return { address: addressOf(server.address()), close: (drainMs) => drain(server, drainMs) }
}

async function drain(server: Server, drainMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), drainMs)
  await closed
  clearTimeout(timer)
}

function tlsOptions(tls: TlsSettings) {
  const asks = tls.clientAuthorities.length > 0 || tls.clientAuth === 'require-any-client-cert'
  const verifies = tls.clientAuth === 'require-and-verify-client-cert' && tls.clientAuthorities.length > 0
  return {
    cert: readFileSync(tls.certificate),
    key: readFileSync(tls.key),
    minVersion: tls.minimum,
    ...(tls.clientAuthorities.length === 0 ? {} : { ca: tls.clientAuthorities.map((path) => readFileSync(path)) }),
    requestCert: asks,
    rejectUnauthorized: verifies,
  }
}

/** What a handshake without `rejectUnauthorized` lets pass and the configuration does not. */
function refuseCertificates(server: Server, clientAuth: TlsSettings['clientAuth']): void {
  server.on('secureConnection', (socket: TLSSocket) => {
    const isGiven = socket.getPeerX509Certificate() !== undefined
    const isRefused =
      (clientAuth === 'require-any-client-cert' && !isGiven) ||
      (clientAuth === 'verify-client-cert-if-given' && isGiven && !socket.authorized)
    if (isRefused) socket.destroy()
  })
}

function addressOf(address: string | AddressInfo | null): string {
  if (address === null || typeof address === 'string') return address ?? ''
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`
}
