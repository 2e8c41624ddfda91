// A gRPC server on a unix socket, straight on Node's http2 streams.
import { chmodSync, chownSync, lstatSync, mkdirSync, rmSync } from 'node:fs'
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
import { answerCall, type CallObserver } from './answer-call.ts'
import { HTTP2_SETTINGS, LOCAL_WINDOW_BYTES, SESSION_MEMORY_MB } from './http2-settings.ts'
import type { GrpcRouter } from './router.ts'

export interface GrpcServer extends AsyncDisposable {
  /** Calls under way, the oldest first. */
  calls(): readonly CallUnderWay[]
  /** Refuses new calls, gives those under way `graceMs`, then cuts them. Removes the socket. Idempotent. */
  close(graceMs?: number): Promise<void>
}

export interface CallUnderWay {
  /** `/containerd.services.tasks.v1.Tasks/Create` */
  path: string
  startedAtMs: number
}

export interface GrpcServerOptions {
  /** Of the socket: who may connect to it is root here. Its mode is 0660 with a group other than root's, and 0600 without. */
  owner?: { uid: number; gid: number }
  /** Of one message. */
  receiveBytesMax?: number
  sendBytesMax?: number
  observer?: CallObserver
  /** Calls that only wait for something to happen: no close waits for them. By path. */
  isWaiting?: (path: string) => boolean
}

/**
 * Listens on `path`. A socket that nobody answers on is replaced; one that somebody answers on is `already-exists`.
 * Nothing that a client sends or breaks reaches the process as an error.
 */
export async function serveGrpc(
  router: GrpcRouter,
  path: string,
  log: Log,
  options: GrpcServerOptions = {},
): Promise<GrpcServer> {
  await removeStaleSocket(path)
  const server = createServer({ settings: HTTP2_SETTINGS, maxSessionMemory: SESSION_MEMORY_MB })
  const running = answerOn(server, router, log, options)
  await listen(server, path, options.owner)
  return running
}

/** Answers whatever the server accepts; listening is the caller's. */
export function answerOn(server: Http2Server, router: GrpcRouter, log: Log, options: GrpcServerOptions): GrpcServer {
  const sessions = new Set<ServerHttp2Session>()
  const calls = new Set<CallUnderWay>()
  server.on('session', (session) => {
    if (session.destroyed) return // its client was refused, or is gone already
    sessions.add(session)
    session.setLocalWindowSize(LOCAL_WINDOW_BYTES)
    session.on('error', (error) => log.debug('grpc session failed', { error: error.message }))
    session.once('close', () => sessions.delete(session))
  })
  server.on('sessionError', (error) => log.debug('grpc session failed', { error: error.message }))
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const call = { path: String(headers[':path']), startedAtMs: Date.now() }
    calls.add(call)
    void answerCall(router, stream, headers, { log, ...options }).finally(() => calls.delete(call))
  })

  let closed: Promise<void> | undefined
  const close = (graceMs = GRACE_MS): Promise<void> => {
    const isIdle = () => ![...calls].some(({ path }) => options.isWaiting?.(path) !== true)
    closed ??= closeServer(server, sessions, isIdle, graceMs)
    return closed
  }
  return { calls: () => [...calls], close, [Symbol.asyncDispose]: () => close() }
}

/** Mode 0600, or 0660 with a group that is not root's; nobody else may connect at any moment. Later errors of the server are of no interest. */
export async function listen(server: Server, path: string, owner?: { uid: number; gid: number }): Promise<void> {
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
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid)
  chmodSync(path, owner === undefined || owner.gid === 0 ? 0o600 : 0o660)
}

const GRACE_MS = 200
const LOOK_MS = 10

/** Node's http2 server removes the socket's file itself when it closes. */
async function closeServer(
  server: Http2Server,
  sessions: Set<ServerHttp2Session>,
  isIdle: () => boolean,
  graceMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  for (const session of sessions) session.close()
  const deadline = Date.now() + graceMs
  while (!isIdle() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  // What has been answered is still to be written; what only waits for events would stay forever.
  const cut = setTimeout(() => {
    for (const session of sessions) session.destroy()
  }, GRACE_MS)
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
