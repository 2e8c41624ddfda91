// A ttrpc server on a unix socket.
import net from 'node:net'
import type { Log } from '../../base/log.ts'
import { listen, removeStaleSocket } from '../grpc/serve-grpc.ts'
import { serveTtrpc, type TtrpcServices } from './serve-ttrpc.ts'

/** For clients that do not take what is still to be sent. */
const CLOSE_MS = 500

/** Listens on `path` with mode 0600. A socket that nobody answers on is replaced; one that somebody answers on is `already-exists`. Disposing of it removes the socket. */
export async function serveTtrpcAt(path: string, services: TtrpcServices, log: Log): Promise<AsyncDisposable> {
  await removeStaleSocket(path)
  const listener = net.createServer()
  const server = serveTtrpc(listener, { services, log })
  await listen(listener, path)
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => listener.once('close', resolve))
      const late = new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref())
      server.close()
      await Promise.race([closed, late])
    },
  }
}
