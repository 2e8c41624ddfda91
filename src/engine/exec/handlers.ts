// The routes of execs: each reads its request, calls its verb and shapes the answer.
import { Failure } from '../../base/failure.ts'
import { parseDetachKeys } from '../container/detach-keys.ts'
import { parseSize } from '../container/handlers.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse, Handlers } from '../http/route.ts'
import { createExec } from './create.ts'
import { decodeExecConfig, decodeExecStart } from './decode-request.ts'
import { inspectExec } from './inspect.ts'
import { resizeExec } from './resize.ts'
import { startAttached, startDetached } from './start.ts'

export function execHandlers(engine: Engine): Handlers {
  return {
    'POST /containers/{id}/exec': async (request) => {
      const name = request.params['id'] ?? ''
      const body = decodeExecConfig(await request.json())
      if (!request.version.atLeast('1.42')) body.consoleSize = undefined
      const detachKeys = parseDetachKeys(body.detachKeysText, (text) => `Invalid escape keys (${text}) provided`)
      const exec = createExec(engine, engine.containers.require(name), name, { ...body, detachKeys })
      return { kind: 'json', status: 201, body: { Id: exec.id } }
    },
    'POST /exec/{id}/start': (request) => start(engine, request),
    'POST /exec/{id}/resize': async (request) => {
      await resizeExec(engine, engine.containers.execs.require(request.params['id'] ?? ''), parseSize(request))
      return { kind: 'empty', status: 200 }
    },
    'GET /exec/{id}/json': async (request) => ({
      kind: 'json',
      status: 200,
      body: inspectExec(engine.containers.execs.require(request.params['id'] ?? '')),
    }),
  }
}

async function start(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const body = decodeExecStart(await request.json())
  const exec = engine.containers.execs.require(request.params['id'] ?? '')
  if (exec.container.isGone) throw new Failure('not-found', `No such exec instance: ${exec.id}`)
  const consoleSize = body.terminal && request.version.atLeast('1.42') ? body.consoleSize : undefined
  const options = { terminal: body.terminal, consoleSize }
  if (body.detach) {
    await startDetached(engine, exec, options)
    return { kind: 'empty', status: 200 }
  }
  const client = await request.hijack(body.terminal ? 'raw' : 'multiplexed')
  await startAttached(engine, exec, options, client)
  return { kind: 'hijacked' }
}
