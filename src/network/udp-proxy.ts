// A bound socket that keeps a published UDP port for its container, and carries what nftables does not: IPv6, and no nftables.
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { PortListener } from './tcp-proxy.ts'

const FLOWS_MAX = 1024
const IDLE_MS = 90_000

interface Flow {
  upstream: Socket
  lastUsedMs: number
}

/** Rejects with Node's error of bind(2). `onError`: an error of the bound socket after that. */
export async function listenUdp(
  at: { address: string; port: number },
  target: { address: string; port: number },
  onError: (error: Error) => void,
): Promise<PortListener> {
  const socket = createSocket(isIPv6(at.address) ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' })
  const flows = new Map<string, Flow>()
  let sweeper: NodeJS.Timeout | undefined

  const forget = (key: string, flow: Flow) => {
    if (!flows.delete(key)) return
    flow.upstream.close()
  }
  const sweep = () => {
    for (const [key, flow] of flows) if (Date.now() - flow.lastUsedMs > IDLE_MS) forget(key, flow)
    if (flows.size > 0) return
    clearInterval(sweeper)
    sweeper = undefined
  }
  const flowOf = (client: { address: string; port: number }): Flow | undefined => {
    const key = `${client.address} ${client.port}`
    const known = flows.get(key)
    if (known || flows.size >= FLOWS_MAX) return known // beyond the bound new clients get nothing, as from a full conntrack table
    const flow: Flow = { upstream: createSocket('udp4'), lastUsedMs: Date.now() }
    flow.upstream.on('message', (data) => {
      flow.lastUsedMs = Date.now()
      socket.send(data, client.port, client.address, () => {}) // a client that has gone loses its answer
    })
    flow.upstream.on('error', () => forget(key, flow))
    flows.set(key, flow)
    sweeper ??= setInterval(sweep, IDLE_MS / 3).unref()
    return flow
  }
  socket.on('message', (data, client) => {
    const flow = flowOf(client)
    if (!flow) return
    flow.lastUsedMs = Date.now()
    flow.upstream.send(data, target.port, target.address, () => {}) // nobody listening there is UDP's normal case
  })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ address: at.address, port: at.port, exclusive: true }, () => {
        socket.off('error', reject)
        resolve()
      })
    })
  } catch (error) {
    socket.close()
    throw error
  }
  socket.on('error', onError)
  return {
    close() {
      clearInterval(sweeper)
      for (const [key, flow] of flows) forget(key, flow)
      socket.close()
    },
  }
}
