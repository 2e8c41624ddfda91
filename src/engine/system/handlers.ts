// The routes of the daemon itself.
import type { Engine } from '../engine.ts'
import { streamEvents } from '../events/stream-events.ts'
import type { Handlers } from '../http/route.ts'
import { checkAuth } from './auth.ts'
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
    'GET /events': (request) => streamEvents(engine, request),
  }
}
