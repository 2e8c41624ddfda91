// A line to a server that breaks again and again: it passes on so many bytes of each connection's answers, then cuts it, and counts what went over it.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface CuttingProxy extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  host: string
  /** Of answers, heads included, over all connections. */
  passedBytes: number
  cuts: number
  /** Of each connection, until `cutsMax` of them have been cut. */
  bytesMax: number
  cutsMax: number
}

/** @param upstream `127.0.0.1:port`. Nothing is cut until the limits are set. */
export async function startCuttingProxy(upstream: string): Promise<CuttingProxy> {
  const open = new Set<Socket>()
  const server = createServer((near) => {
    const [host = '', port = ''] = upstream.split(':')
    const far = connect(Number(port), host)
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('error', () => {}) // whoever it belongs to is told by its end
      socket.on('close', () => open.delete(socket))
    }
    near.on('close', () => far.destroy())
    near.pipe(far)
    let passed = 0
    far.on('data', (data) => {
      const isCut = proxy.cuts < proxy.cutsMax && passed + data.length > proxy.bytesMax
      const part = isCut ? data.subarray(0, proxy.bytesMax - passed) : data
      passed += part.length
      proxy.passedBytes += part.length
      if (isCut) {
        proxy.cuts++
        far.destroy()
        near.end(part)
      } else if (!near.write(part)) {
        far.pause()
        near.once('drain', () => far.resume())
      }
    })
    far.on('close', () => near.end()) // what it still has to send is sent
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: CuttingProxy = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    passedBytes: 0,
    cuts: 0,
    bytesMax: Number.POSITIVE_INFINITY,
    cutsMax: 0,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}
