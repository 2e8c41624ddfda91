// The routes of the daemon itself.
import type { Engine } from '../engine.ts'
import { streamEvents } from '../events/stream-events.ts'
import type { Handlers } from '../http/route.ts'
import { inspectDistribution } from '../image/inspect-distribution.ts'
import { checkAuth } from './auth.ts'
import { showDiskUsage } from './disk-usage.ts'
import { showInfo } from './info.ts'
import { ping } from './ping.ts'
import { showVersion } from './version.ts'

export function systemHandlers(engine: Engine): Handlers {
  return {
    'GET /_ping': ping,
    'HEAD /_ping': ping,
    'GET /version': () => showVersion(engine),
    'GET /info': (request) => showInfo(engine, request),
    'POST /auth': (request) => checkAuth(engine, request),
    'GET /system/df': (request) => showDiskUsage(engine, request),
    'OPTIONS /{any}': async () => ({ kind: 'empty', status: 200 }),
    'GET /distribution/{name}/json': (request) => inspectDistribution(engine, request),
    'GET /events': (request) => streamEvents(engine, request),
  }
}
