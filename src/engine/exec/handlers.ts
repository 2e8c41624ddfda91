// The routes of execs: each reads its request, calls its verb and shapes the answer.
import { Failure } from '../../base/failure.ts'
import { parseDetachKeys } from '../container/detach-keys.ts'
import { parseSize } from '../container/handlers.ts'
import type { Engine } from '../engine.ts'
import { isTrue } from '../http/query.ts'
import type { ApiRequest, ApiResponse, Handlers } from '../http/route.ts'
import { attachExec } from './attach.ts'
import { createExec, requireExecutable } from './create.ts'
import { decodeExecConfig, decodeExecStart } from './decode-request.ts'
import type { Exec } from './exec-store.ts'
import { inspectExec } from './inspect.ts'
import { killExec, requireRunning } from './kill.ts'
import { resizeExec } from './resize.ts'
import { startAttached, startDetached } from './start.ts'

export function execHandlers(engine: Engine): Handlers {
  const { execs } = engine.containers
  const findByPrefix = ({ params }: ApiRequest): Exec => execs.requireByPrefix(params['id'] ?? '')
  return {
    'POST /containers/{id}/exec': (request) => create(engine, request),
    'GET /containers/{id}/execs': async (request) => list(engine, request),
    'POST /exec/{id}/start': (request) => start(engine, request),
    'POST /exec/{id}/resize': async (request) => {
      const size = parseSize(request)
      const exec = execs.requireLive(request.params['id'] ?? '')
      requireExecutable(exec.container, exec.container.id)
      await resizeExec(engine, exec, size)
      return { kind: 'empty', status: 200 }
    },
    'POST /exec/{id}/attach': (request) => attach(engine, findByPrefix(request), request),
    'POST /exec/{id}/kill': async (request) => {
      await killExec(engine, findByPrefix(request), request.query.get('signal') ?? '')
      return { kind: 'empty', status: 204 }
    },
    'GET /exec/{id}/json': async (request) => ({
      kind: 'json',
      status: 200,
      body: inspectExec(execs.require(request.params['id'] ?? ''), engine.clock.now()),
    }),
  }
}

async function create(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const name = request.params['id'] ?? ''
  const body = decodeExecConfig(await request.json())
  if (!request.version.atLeast('1.42')) body.consoleSize = undefined
  const container = engine.containers.require(name)
  requireExecutable(container, name)
  const detachKeys = parseExecKeys(body.detachKeysText)
  const exec = await createExec(engine, container, name, { ...body, detachKeys }, request)
  return { kind: 'json', status: 201, body: { Id: exec.id } }
}

/** With Docker's words, and its code: it takes them for a fault of its own. */
function parseExecKeys(text: string): readonly number[] {
  try {
    return parseDetachKeys(text, (keys) => keys)
  } catch (error) {
    throw new Failure('unknown', `Invalid escape keys (${text}) provided`, { cause: error })
  }
}

/** Those that run or wait for their start; with `all` also those that have ended and are still known. */
function list(engine: Engine, { params, query }: ApiRequest): ApiResponse {
  const container = engine.containers.require(params['id'] ?? '')
  const execs = engine.containers.execs
    .listOf(container)
    .filter(({ state }) => state.kind !== 'exited' || isTrue(query, 'all'))
  return { kind: 'json', status: 200, body: execs.map((exec) => inspectExec(exec, engine.clock.now())) }
}

async function start(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const body = decodeExecStart(await request.json())
  const exec = engine.containers.execs.requireLive(request.params['id'] ?? '')
  requireExecutable(exec.container, exec.container.id)
  const consoleSize = body.terminal && request.version.atLeast('1.42') ? body.consoleSize : undefined
  const options = { terminal: body.terminal, consoleSize }
  if (body.detach) {
    await startDetached(engine, exec, { ...options, signal: request.signal })
    return { kind: 'empty', status: 200 }
  }
  const client = await request.hijack(body.terminal ? 'raw' : 'multiplexed')
  const gone = new AbortController()
  const onClose = () => gone.abort()
  client.once('close', onClose)
  void exec.started.then(() => client.off('close', onClose)) // from then on nobody asks
  await startAttached(engine, exec, { ...options, signal: gone.signal }, client)
  return { kind: 'hijacked' }
}

async function attach(engine: Engine, exec: Exec, request: ApiRequest): Promise<ApiResponse> {
  const { query } = request
  const keys = query.get('detachKeys')
  const detachKeys = keys
    ? parseDetachKeys(keys, (text) => `Invalid detach keys (${text}) provided`)
    : exec.config.detachKeys
  requireRunning(exec)
  const client = await request.hijack(exec.config.terminal ? 'raw' : 'multiplexed')
  await attachExec(engine, exec, client, {
    stdin: isTrue(query, 'stdin'),
    stdout: isTrue(query, 'stdout', true),
    stderr: isTrue(query, 'stderr', true),
    detachKeys,
  })
  return { kind: 'hijacked' }
}
