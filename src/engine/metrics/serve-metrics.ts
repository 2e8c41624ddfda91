// `metrics-addr`: GET /metrics on a TCP port of its own, without the API.
import { createServer } from 'node:http'
import { Failure, messageOf } from '../../base/failure.ts'
import { CONTENT_TYPE, formatFamilies } from '../../base/metrics/exposition.ts'
import type { Engine } from '../engine.ts'

/** Resolves when it listens, with what ends it. Throws `failed to start metrics server: …`. */
export async function serveMetrics(engine: Engine, address: string): Promise<() => void> {
  const [, bracketed, plain = '', port = ''] = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(address) ?? []
  if (port === '' || Number(port) > 65535)
    throw new Failure('invalid-argument', `failed to start metrics server: error parsing tcp address: ${address}`)
  const server = createServer((request, response) => {
    if (request.url?.split('?')[0] !== '/metrics') return void response.writeHead(404).end('404 page not found\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end()
    try {
      const text = formatFamilies(engine.metrics.families(engine))
      response.writeHead(200, { 'content-type': CONTENT_TYPE }).end(text)
    } catch (error) {
      engine.log.error('metrics failed', { error: messageOf(error) })
      response.writeHead(500).end(`${messageOf(error)}\n`)
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new Failure('unavailable', `failed to start metrics server: ${error.message}`)),
    )
    server.listen(Number(port), bracketed ?? (plain || undefined), resolve)
  })
  engine.log.info(`metrics API listening on ${address}`)
  return () => {
    server.close()
    server.closeAllConnections()
  }
}
