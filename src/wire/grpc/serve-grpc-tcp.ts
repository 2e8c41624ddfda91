// The same on a TCP port, for who reaches the daemon from elsewhere: with certificates on both sides.
import { readFileSync } from 'node:fs'
import { createSecureServer, createServer, type Http2Server } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { Log } from '../../base/log.ts'
import { HTTP2_SETTINGS, SESSION_MEMORY_MB } from './http2-settings.ts'
import type { GrpcRouter } from './router.ts'
import { answerOn, type GrpcServer, type GrpcServerOptions } from './serve-grpc.ts'

export interface TcpAddress {
  host: string
  port: number
  /** Undefined: in the clear. `caFile`: clients need a certificate of it, with `commonName` where that is given. */
  tls: { certFile: string; keyFile: string; caFile: string | undefined; commonName: string | undefined } | undefined
}

/** A peer that died without a word is found out after this. */
const KEEPALIVE_MS = 60_000

/** Whether the address is safe to serve on is the caller's to know. */
export async function serveGrpcTcp(
  router: GrpcRouter,
  { host, port, tls }: TcpAddress,
  log: Log,
  options: GrpcServerOptions = {},
): Promise<GrpcServer> {
  const settings = { settings: HTTP2_SETTINGS, maxSessionMemory: SESSION_MEMORY_MB }
  const server =
    tls === undefined ? createServer(settings) : (createSecureServer({ ...settings, ...secretsOf(tls) }) as Http2Server)
  server.on('connection', (socket) => socket.setKeepAlive(true, KEEPALIVE_MS))
  if (tls?.commonName !== undefined) admitOnly(server, tls.commonName, log)
  server.on('tlsClientError', (error) => log.debug('tls handshake failed', { error: error.message }))
  const running = answerOn(server, router, log, options)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      server.on('error', () => {})
      resolve()
    })
  })
  return running
}

function secretsOf({ certFile, keyFile, caFile }: NonNullable<TcpAddress['tls']>) {
  return {
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile), requestCert: true, rejectUnauthorized: true }),
  }
}

/** Before any listener of its streams: a session of somebody else is over before its first call. */
function admitOnly(server: Http2Server, commonName: string, log: Log): void {
  server.on('session', (session) => {
    const name = (session.socket as TLSSocket).getPeerCertificate().subject?.CN
    if (name === commonName) return
    log.warn('grpc client refused: its certificate is of another name', { name: String(name) })
    session.destroy()
  })
}
