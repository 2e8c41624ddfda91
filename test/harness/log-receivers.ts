// Collectors that tests run: whatever is sent to them is kept as it came.
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

export interface Receiver extends AsyncDisposable {
  port: number
  /** UDP: a message each. TCP: the bytes of a connection each. */
  messages: Buffer[]
  text(): string
}

export async function receiveUdp(): Promise<Receiver> {
  const socket: DatagramSocket = createSocket('udp4')
  const messages: Buffer[] = []
  socket.on('message', (message) => messages.push(message))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    port: socket.address().port,
    messages,
    text: () => messages.join(''),
    async [Symbol.asyncDispose]() {
      socket.close()
    },
  }
}

export interface TcpOptions {
  port?: number
  path?: string
  tls?: { key: Buffer; cert: Buffer }
  /** What to answer to the bytes of a connection; called with all of them so far. */
  answer?(connection: Socket, chunk: Buffer): void
}

export async function receiveTcp(options: TcpOptions = {}): Promise<Receiver> {
  const messages: Buffer[] = []
  const sockets = new Set<Socket>()
  const take = (socket: Socket) => {
    const index = messages.push(Buffer.alloc(0)) - 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk) => {
      messages[index] = Buffer.concat([messages[index] ?? Buffer.alloc(0), chunk])
      options.answer?.(socket, chunk)
    })
  }
  const server: Server = options.tls ? createTlsServer(options.tls, take) : createServer(take)
  if (options.path === undefined) server.listen(options.port ?? 0, '127.0.0.1')
  else server.listen(options.path)
  await once(server, 'listening')
  return {
    port: options.path === undefined ? (server.address() as AddressInfo).port : 0,
    messages,
    text: () => messages.join(''),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A port where nobody listens. */
export async function freePort(): Promise<number> {
  await using receiver = await receiveTcp()
  return receiver.port
}
