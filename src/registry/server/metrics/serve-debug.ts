// `http.debug`: health and metrics, on an address of their own.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { CONTENT_TYPE, formatFamilies } from '../../../base/metrics/exposition.ts'
import { processFamilies } from '../../../base/metrics/process-metrics.ts'
import type { DebugSettings } from '../config/settings.ts'
import { type Listening, listen } from '../http/serve.ts'
import type { Registry } from '../registry.ts'

export function serveDebug(registry: Registry, debug: DebugSettings): Promise<Listening> {
  return listen({ address: debug.address, tls: undefined }, (request, response) =>
    answer(registry, debug, request, response),
  )
}

function answer(registry: Registry, debug: DebugSettings, request: IncomingMessage, response: ServerResponse): void {
  const [path] = (request.url ?? '').split('?')
  if (path === '/debug/health') {
    const failures = registry.health.failures()
    response.writeHead(Object.keys(failures).length === 0 ? 200 : 503, { 'content-type': 'application/json' })
    response.end(JSON.stringify(failures))
  } else if (path === debug.metricsPath) {
    response.writeHead(200, { 'content-type': CONTENT_TYPE })
    response.end(
      formatFamilies([...registry.metrics.families(), ...registry.notifier.families(), ...processFamilies()]),
    )
  } else {
    response.writeHead(404)
    response.end()
  }
}
