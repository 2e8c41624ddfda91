// Taking a connection over from node:http: from then on it carries a container's streams.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export type StreamKind = 'raw' | 'multiplexed'

/** What Node's server listens for on a socket; `close` stays with it, for there it frees its parser. */
const SERVER_EVENTS = ['data', 'end', 'drain', 'error', 'timeout'] as const

/**
 * Detaches the socket from the server. Nothing is lost until its new owner reads. `early` are bytes that came behind the
 * request and that the parser took for the next one.
 */
export function takeSocket(request: IncomingMessage, response: ServerResponse, early: readonly Buffer[]): Socket {
  const socket = request.socket
  response.detachSocket(socket)
  // While the parser reads from the descriptor directly, Node gives it up for the first listener of `data`, and only then.
  const giveUp = () => {}
  socket.on('data', giveUp)
  socket.pause()
  for (const event of SERVER_EVENTS) socket.removeAllListeners(event)
  // Neither paused nor flowing: a listener of `data` or a pipe starts it. Node does the same for the sockets of its `upgrade` event.
  Object.assign(socket, { readableFlowing: null })
  // A peer that resets must never bring the daemon down; who owns the socket sees it close.
  socket.on('error', () => {})
  for (const bytes of [...early].reverse()) socket.unshift(bytes)
  return socket
}

/** The head of the answer, byte by byte as Docker's: clients compare it. */
export function hijackHead(options: {
  isUpgrade: boolean
  kind: StreamKind
  headers: readonly (readonly [string, string])[]
}): string {
  const contentType = `Content-Type: application/vnd.docker.${options.kind}-stream`
  const lines = options.isUpgrade
    ? ['HTTP/1.1 101 UPGRADED', contentType, 'Connection: Upgrade', 'Upgrade: tcp']
    : ['HTTP/1.1 200 OK', contentType]
  return [...lines, ...options.headers.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n')
}

/** How attach reports a failure: the connection counts as hijacked already, so the message is plain text. */
export function hijackFailure(status: number, reason: string, message: string): string {
  return `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n${message}\r\n`
}
