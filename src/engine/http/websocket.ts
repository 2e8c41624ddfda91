// A connection that becomes a websocket (RFC 6455): `GET /containers/{id}/attach/ws`. The protocol is the `ws` library's: docs/decisions/websocket.md.
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocket, WebSocketServer } from 'ws'

/** A message is held whole before it is passed on. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024

/** What clients before API 1.28 are sent. They are bytes all the same: Docker does not look whether they are text either. */
class TextSocket extends WebSocket {
  override send(data: Parameters<WebSocket['send']>[0], ...rest: unknown[]): void {
    super.send(data, { binary: false }, rest.find((each) => typeof each === 'function') as () => void)
  }
}

const OPTIONS = {
  noServer: true,
  clientTracking: false,
  maxPayload: MESSAGE_BYTES_MAX,
  // Bytes for a process: there is no need that they be text, whatever the frame says.
  skipUTF8Validation: true,
} as const
const binary = new WebSocketServer(OPTIONS)
const text = new WebSocketServer({ ...OPTIONS, WebSocket: TextSocket })

/**
 * Answers the handshake. Payloads of the client's messages come out of the stream, what is written is sent in messages; the stream closes with the
 * connection. Undefined where there is no proper handshake: the client has been told so, and the connection ends.
 */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  options: { isBinary: boolean },
): Promise<Duplex | undefined> {
  if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\nnot websocket protocol')
    socket.resume() // to see the other side's end, and close
    return Promise.resolve(undefined)
  }
  return new Promise((resolve) => {
    const refused = () => resolve(undefined)
    socket.once('close', refused)
    const server = options.isBinary ? binary : text
    server.handleUpgrade(request, socket, Buffer.alloc(0), (opened) => {
      socket.off('close', refused)
      const stream = createWebSocketStream(opened)
      // A client that breaks the protocol or vanishes ends its stream, and nothing else.
      stream.on('error', () => stream.destroy())
      resolve(stream)
    })
  })
}
