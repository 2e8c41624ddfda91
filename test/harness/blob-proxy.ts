// A line to a registry on which something happens at a chosen byte: it passes everything on, knows which bytes of which blob it has sent, and calls the test there.
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface BlobFetch {
  digest: string
  /** The first byte that was asked for. */
  from: number
  /** How many were sent. */
  sentBytes: number
}

export interface BlobProxy extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  host: string
  /** Where requests go; may change. */
  upstream: string
  /** GETs of blobs, in order. */
  fetches: BlobFetch[]
  /** Once so many more bytes of blobs have been sent, over all connections, `event` is run, once. Nothing more is sent on that connection until it has resolved. */
  after(bytes: number, event: () => Promise<void> | void): void
  /** What was sent arrives, and then every connection ends. */
  cut(): void
}

export async function startBlobProxy(upstream: string): Promise<BlobProxy> {
  let next: { leftBytes: number; event: () => Promise<void> | void } | undefined
  const server = createServer()
  const sockets = new Set<ServerResponse['socket']>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {}) // its client has gone, or was killed
    socket.on('close', () => sockets.delete(socket))
  })
  const passOn = async (part: Buffer, fetch: BlobFetch, response: ServerResponse): Promise<void> => {
    const reached = next !== undefined && next.leftBytes <= part.length ? next : undefined
    const head = part.subarray(0, reached?.leftBytes)
    if (reached !== undefined) next = undefined
    else if (next !== undefined) next.leftBytes -= part.length
    await send(head, fetch, response)
    if (reached === undefined) return
    await reached.event()
    await send(part.subarray(head.length), fetch, response)
  }
  server.on('request', (asked: IncomingMessage, response: ServerResponse) => {
    const [host = '', port = ''] = proxy.upstream.split(':')
    const { method, url = '', headers } = asked
    const sent = httpRequest({ host, port, method, path: url, headers: { ...headers, host: proxy.upstream } })
    const breakOff = () => response.socket?.end()
    sent.on('error', breakOff) // the registry has gone
    response.on('close', () => sent.destroy())
    sent.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      const digest = method === 'GET' ? /\/blobs\/(sha256:[0-9a-f]{64})$/.exec(url)?.[1] : undefined
      const from = Number(/^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1] ?? 0)
      const fetch = { digest: digest ?? '', from, sentBytes: 0 }
      if (digest !== undefined && (answer.statusCode === 200 || answer.statusCode === 206)) proxy.fetches.push(fetch)
      const pump = async () => {
        for await (const part of answer as AsyncIterable<Buffer>)
          if (digest === undefined) response.write(part)
          else await passOn(part, fetch, response)
        response.end()
      }
      pump().catch(breakOff)
    })
    asked.pipe(sent)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: BlobProxy = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    upstream,
    fetches: [],
    after(leftBytes, event) {
      next = { leftBytes, event }
    },
    cut() {
      for (const socket of sockets) socket?.end()
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket?.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}

/** Waits while its client does not read. */
async function send(part: Buffer, fetch: BlobFetch, response: ServerResponse): Promise<void> {
  if (response.destroyed || response.socket?.writable !== true) return
  fetch.sentBytes += part.length
  if (response.write(part)) return
  const goOn = new AbortController()
  await Promise.race([once(response, 'drain', goOn), once(response, 'close', goOn)]).finally(() => goOn.abort())
}
