// The routes of attach: over a hijacked connection, and over a websocket.
import type { Engine } from '../engine.ts'
import { isTrue } from '../http/query.ts'
import type { ApiRequest, ApiResponse, Handlers } from '../http/route.ts'
import { type AttachOptions, attachClient, requireAttachable } from './attach.ts'
import type { Container } from './container.ts'
import { parseDetachKeys } from './detach-keys.ts'

export function attachHandlers(engine: Engine): Handlers {
  return {
    'POST /containers/{id}/attach': async (request) => {
      const { container, options } = readRequest(engine, request)
      const client = await request.hijack(container.hasTerminal ? 'raw' : 'multiplexed')
      await attachClient(engine, container, client, options)
      return { kind: 'hijacked' }
    },
    'GET /containers/{id}/attach/ws': (request) => attachWebSocket(engine, request),
  }
}

/** Never framed: clients in browsers take the messages as they are. Before API 1.42 all three streams are attached, whatever is asked for. */
async function attachWebSocket(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const { container, options } = readRequest(engine, request)
  const streams = request.version.atLeast('1.42') ? {} : { stdin: true, stdout: true, stderr: true }
  const client = await request.acceptWebSocket()
  if (client !== undefined) await attachClient(engine, container, client, { ...options, ...streams, unframed: true })
  return { kind: 'hijacked' }
}

/** Bad keys are told before that there is no such container, as in Docker. */
function readRequest(engine: Engine, { params, query }: ApiRequest): { container: Container; options: AttachOptions } {
  const detachKeys = parseDetachKeys(query.get('detachKeys'), (text) => `Invalid detach keys (${text}) provided`)
  const container = engine.containers.require(params['id'] ?? '')
  requireAttachable(container, params['id'] ?? '')
  const options = {
    stdin: isTrue(query, 'stdin'),
    stdout: isTrue(query, 'stdout'),
    stderr: isTrue(query, 'stderr'),
    stream: isTrue(query, 'stream'),
    logs: isTrue(query, 'logs'),
    detachKeys,
    unframed: false,
  }
  return { container, options }
}
