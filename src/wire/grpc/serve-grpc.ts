// A gRPC server on a unix socket, straight on Node's http2 streams.
import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs'
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { answerCall } from './answer-call.ts'
import { HTTP2_SETTINGS, LOCAL_WINDOW_BYTES, SESSION_MEMORY_MB } from './http2-settings.ts'
import type { GrpcRouter } from './router.ts'

export interface GrpcServer extends AsyncDisposable {
  /** Refuses new calls, gives those under way `graceMs`, then cuts them. Removes the socket. Idempotent. */
  close(graceMs?: number): Promise<void>
}

/**
 * Listens on `path` with mode 0600. A socket that nobody answers on is replaced; one that somebody answers on is `already-exists`.
 * Nothing that a client sends or breaks reaches the process as an error.
 */
export async function serveGrpc(router: GrpcRouter, path: string, log: Log): Promise<GrpcServer> {
  await removeStaleSocket(path)
  const server = createServer({ settings: HTTP2_SETTINGS, maxSessionMemory: SESSION_MEMORY_MB })
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => {
    sessions.add(session)
    session.setLocalWindowSize(LOCAL_WINDOW_BYTES)
    session.on('error', (error) => log.debug('grpc session failed', { error: error.message }))
    session.once('close', () => sessions.delete(session))
  })
  server.on('sessionError', (error) => log.debug('grpc session failed', { error: error.message }))
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
    answerCall(router, stream, headers, log),
  )
  await listen(server, path)

  let closed: Promise<void> | undefined
  const close = (graceMs = 200): Promise<void> => {
    closed ??= closeServer(server, sessions, graceMs)
    return closed
  }
  return { close, [Symbol.asyncDispose]: () => close() }
}

/** With mode 0600 from its first moment on. */
export async function listen(server: Server, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 })
  await new Promise<void>((resolve, reject) => {
    const umask = process.umask(0o177) // bind happens within listen: no moment with a socket that others may open
    server.once('error', reject)
    try {
      server.listen(path, () => {
        server.off('error', reject)
        server.on('error', () => {})
        resolve()
      })
    } finally {
      process.umask(umask)
    }
  })
  chmodSync(path, 0o600)
}

/** Node's http2 server removes the socket's file itself when it closes. */
async function closeServer(server: Http2Server, sessions: Set<ServerHttp2Session>, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  for (const session of sessions) session.close()
  const cut = setTimeout(() => {
    for (const session of sessions) session.destroy()
  }, graceMs)
  await closed
  clearTimeout(cut)
}

/** A socket that nobody answers on goes; for one that somebody answers on throws `already-exists`. */
export async function removeStaleSocket(path: string): Promise<void> {
  const existing = lstatSync(path, { throwIfNoEntry: false })
  if (existing === undefined) return
  if (!existing.isSocket()) throw new Failure('already-exists', `listen unix ${path}: not a socket`)
  const outcome = await new Promise<string>((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => resolve('alive'))
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'))
    probe.once('connect', () => probe.destroy())
  })
  if (outcome === 'alive') throw new Failure('already-exists', `listen unix ${path}: address already in use`)
  if (outcome === 'ECONNREFUSED') rmSync(path, { force: true })
}
