// Byte streams over Bun's sockets.
import { type ByteStream, Inbox, type Target } from './byte-stream.ts'

/** The part of Bun's socket API that is used here. */
interface BunSocket {
  write(bytes: Uint8Array, offset?: number, length?: number): number
  shutdown(): void
  terminate(): void
  pause(): void
  resume(): void
  flush(): void
}

interface BunRuntime {
  connect(options: {
    unix?: string
    hostname?: string
    port?: number
    socket: {
      data(socket: BunSocket, bytes: Uint8Array): void
      drain(): void
      end(): void
      close(): void
      error(socket: BunSocket, error: Error): void
    }
  }): Promise<BunSocket>
}

export async function openBunStream(target: Exclude<Target, { kind: 'command' }>): Promise<ByteStream> {
  const { Bun: bun } = globalThis as unknown as { Bun: BunRuntime }
  let socket: BunSocket | undefined
  let isSlow = false
  const inbox = new Inbox((slow) => {
    if (slow === isSlow) return
    isSlow = slow
    if (slow) socket?.pause()
    else socket?.resume()
  })
  let drained: (() => void) | undefined
  let isClosed = false
  const close = () => {
    isClosed = true
    inbox.end()
    drained?.()
  }
  const where = target.kind === 'unix' ? { unix: target.path } : { hostname: target.host, port: target.port }
  socket = await bun.connect({
    ...where,
    socket: {
      data: (_socket, bytes) => inbox.push(bytes.slice()),
      drain: () => drained?.(),
      end: () => inbox.end(),
      close,
      error: (_socket, error) => inbox.end(error),
    },
  })
  const opened = socket
  return {
    read: () => inbox.read(),
    unread: (bytes) => inbox.unread(bytes),
    async write(data) {
      const bytes = typeof data === 'string' ? Buffer.from(data) : data
      for (let offset = 0; offset < bytes.length && !isClosed; ) {
        const taken = opened.write(bytes, offset, bytes.length - offset)
        if (taken < 0) return // the peer has gone: the reading side tells
        offset += taken
        if (offset >= bytes.length) return
        await new Promise<void>((resolve) => {
          drained = resolve
        })
        drained = undefined
      }
    },
    endWrite: () => opened.shutdown(),
    destroy() {
      isClosed = true
      inbox.end()
      opened.terminate()
    },
    get isOpen() {
      return !isClosed && !inbox.isEnded
    },
  }
}
