// A listening socket that keeps a published TCP port for its container, and carries what nftables does not: IPv6, and no nftables.
import { connect, createServer, type Socket } from 'node:net'

export interface PortListener {
  close(): void
}

/** Rejects with Node's error of bind(2). `onError`: an error of the listening socket after that. */
export async function listenTcp(
  at: { address: string; port: number },
  target: { address: string; port: number },
  onError: (error: Error) => void,
): Promise<PortListener> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ host: target.address, port: target.port, allowHalfOpen: true, noDelay: true })
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from)
      from.on('error', () => to.destroy()) // a reset on one side is a reset on the other
      from.on('close', () => open.delete(from))
      from.pipe(to)
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: at.address, port: at.port, ipv6Only: true, exclusive: true }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', onError)
  return {
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}
