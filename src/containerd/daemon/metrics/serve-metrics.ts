// GET /v1/metrics on a TCP port.
import { createServer } from 'node:http'
import { messageOf } from '../../../base/failure.ts'
import type { Log } from '../../../base/log.ts'
import type { GrpcRouter } from '../../../wire/grpc/router.ts'
import { type ContainerdClient, embedContainerd } from '../../client/client.ts'
import { CONTENT_TYPE, type Family, formatFamilies } from '../../../base/metrics/exposition.ts'
import type { Metrics } from './metrics.ts'
import { taskFamilies } from './task-metrics.ts'

/** A scrape waits no longer for the shims of one namespace. */
const TASKS_MS = 5_000

/** Serves until disposed of. `router`: tasks are measured through it; undefined: they are not. */
export async function serveMetrics(
  metrics: Metrics,
  { host, port }: { host: string; port: number },
  router: GrpcRouter | undefined,
  log: Log,
): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0]
    if (path !== '/v1/metrics') return void response.writeHead(404).end('404 page not found\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end()
    scrape(metrics, router, log).then(
      (text) => response.writeHead(200, { 'content-type': CONTENT_TYPE }).end(text),
      (error: unknown) => {
        log.error('metrics failed', { error: messageOf(error) })
        response.writeHead(500).end(`${messageOf(error)}\n`)
      },
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host === '' ? undefined : host, resolve)
  })
  server.on('error', (error) => log.error('metrics server failed', { error: error.message }))
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

async function scrape(metrics: Metrics, router: GrpcRouter | undefined, log: Log): Promise<string> {
  const tasks = router === undefined ? [] : await measureTasks(router, log)
  return formatFamilies([...metrics.families(), ...tasks])
}

async function measureTasks(router: GrpcRouter, log: Log): Promise<Family[]> {
  const { namespaces } = await embedContainerd(router, 'default').namespaces.list({})
  const measured = await Promise.all(namespaces.map(({ name }) => measureNamespace(embedContainerd(router, name), log)))
  return measured.flat()
}

async function measureNamespace(client: ContainerdClient, log: Log): Promise<Family[]> {
  try {
    const [{ metrics }, { containers }] = await Promise.all([
      client.tasks.metrics({ filters: [] }, { timeoutMs: TASKS_MS }),
      client.containers.list({}),
    ])
    const runtimes = new Map(containers.map(({ id, runtime }) => [id, runtime?.name ?? '']))
    return metrics.flatMap(({ id, data }) => {
      const labels = { container_id: id, namespace: client.namespace, runtime: runtimes.get(id) ?? '' }
      return data === undefined ? [] : taskFamilies(data, labels)
    })
  } catch (error) {
    // A namespace or a task that has gone meanwhile: the rest is still worth its lines.
    log.debug('tasks not measured', { namespace: client.namespace, error: messageOf(error) })
    return []
  }
}
