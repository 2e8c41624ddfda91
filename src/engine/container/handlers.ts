// The routes of /containers: each reads its request, calls its verb and shapes the answer.
import { Failure } from '../../base/failure.ts'
import { parsePlatform } from '../../oci/parse-platform.ts'
import type { Engine } from '../engine.ts'
import { parseFilters } from '../http/filters.ts'
import { isTrue, parseInteger } from '../http/query.ts'
import type { ApiRequest, ApiResponse, Handlers } from '../http/route.ts'
import { logsHandler } from '../logs/handler.ts'
import { mapOf } from '../userns/map-of-container.ts'
import { notWithUsers, requireCheckpoint } from '../checkpoint/checkpoint-directory.ts'
import { adaptRequest, adaptUpdate, versionWarnings } from './adapt-request.ts'
import { attachHandlers } from './attach-handlers.ts'
import type { Container } from './container.ts'
import { createContainer } from './create.ts'
import { decodeCreateRequest, decodeUpdate } from './decode-create-request.ts'
import { inspectContainer } from './inspect.ts'
import { killByName } from './kill.ts'
import { resolveListFilter } from './list-filters.ts'
import { listContainers } from './list.ts'
import { removeLink } from './links/register-links.ts'
import { adaptMountsToVersion } from './mounts/adapt-to-version.ts'
import { pauseContainer, unpauseContainer } from './pause.ts'
import { pruneContainers } from './prune.ts'
import { removeContainer } from './remove.ts'
import { renameContainer } from './rename.ts'
import { resizeContainer } from './resize.ts'
import { restartContainer } from './restart.ts'
import { type ContainerSizes, measureSizes } from './sizes.ts'
import { specHost } from './spec-facts.ts'
import { startContainer } from './start.ts'
import { watchStats } from './stats.ts'
import type { StopOptions } from './stop.ts'
import { stopContainer } from './stop.ts'
import { listProcesses } from './top.ts'
import { updateContainer } from './update.ts'
import { parseWaitCondition, waitForContainer } from './wait.ts'

const NO_CONTENT: ApiResponse = { kind: 'empty', status: 204 }

export function containerHandlers(engine: Engine): Handlers {
  const find = (request: ApiRequest): Container => engine.containers.require(request.params['id'] ?? '')
  const verb = (run: (container: Container, request: ApiRequest) => Promise<void>) => async (request: ApiRequest) => {
    await run(find(request), request)
    return NO_CONTENT
  }
  return {
    ...attachHandlers(engine),
    'POST /containers/create': (request) => create(engine, request),
    'GET /containers/json': (request) => list(engine, request),
    'GET /containers/{id}/json': (request) => inspect(engine, find(request), request),
    'POST /containers/{id}/start': (request) => start(engine, request),
    'POST /containers/{id}/stop': verb((container, request) => stopContainer(engine, container, stopOptions(request))),
    'POST /containers/{id}/restart': verb((container, request) =>
      restartContainer(engine, container, stopOptions(request)),
    ),
    'POST /containers/{id}/kill': async (request) => {
      await killByName(engine, request.params['id'] ?? '', request.query.get('signal') ?? '')
      return NO_CONTENT
    },
    'POST /containers/{id}/pause': verb((container) => pauseContainer(engine, container)),
    'POST /containers/{id}/unpause': verb((container) => unpauseContainer(engine, container)),
    'POST /containers/{id}/rename': verb((container, request) =>
      renameContainer(engine, container, request.query.get('name') ?? ''),
    ),
    'POST /containers/{id}/resize': async (request) => {
      await resizeContainer(engine, find(request), parseSize(request))
      return { kind: 'empty', status: 200 }
    },
    'POST /containers/{id}/update': async (request) => {
      const changes = adaptUpdate(decodeUpdate(await request.json()), request.version)
      const warnings = await updateContainer(engine, find(request), changes)
      return { kind: 'json', status: 200, body: { Warnings: warnings.length === 0 ? null : warnings } }
    },
    'DELETE /containers/{id}': verb((container, { query, params }) => {
      if (isTrue(query, 'link')) return removeLink(engine, params['id'] ?? '')
      return removeContainer(engine, container, { force: isTrue(query, 'force'), removeVolumes: isTrue(query, 'v') })
    }),
    'POST /containers/{id}/wait': async (request) => wait(find(request), request),
    'GET /containers/{id}/logs': async (request) => logsHandler(find(request), request),
    'GET /containers/{id}/top': async (request) => {
      const table = await listProcesses(engine, find(request), request.query.get('ps_args') || '-ef')
      return { kind: 'json', status: 200, body: table }
    },
    'GET /containers/{id}/stats': async (request) => stats(engine, find(request), request),
    'POST /containers/prune': async (request) => ({
      kind: 'json',
      status: 200,
      body: await pruneContainers(engine, parseFilters(request.query)),
    }),
  }
}

async function create(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const { version } = request
  const { cgroupVersion } = specHost(engine)
  const platform = version.atLeast('1.41') ? (request.query.get('platform') ?? '') : ''
  const wanted = platform === '' ? undefined : parsePlatform(platform)
  const body = adaptRequest(decodeCreateRequest(await request.json()), version, { cgroupVersion })
  adaptMountsToVersion(body.HostConfig ?? {}, version)
  const { container, warnings } = await createContainer(engine, {
    name: request.query.get('name') ?? '',
    request: body,
    isReadOnlyNonRecursive: !version.atLeast('1.44'),
    platform: wanted,
  })
  return {
    kind: 'json',
    status: 201,
    body: { Id: container.id, Warnings: [...warnings, ...versionWarnings(body, version)] },
  }
}

/** A body that says anything was for versions that are no longer spoken. */
async function start(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const { headers } = request
  const BODY_BYTES_MAX = 7
  if (Number(headers['content-length'] ?? 0) > BODY_BYTES_MAX || headers['transfer-encoding'] !== undefined)
    throw new Failure(
      'invalid-argument',
      'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
    )
  const checkpoint = request.query.get('checkpoint') ?? ''
  if (checkpoint !== '' && !engine.config.isExperimental)
    throw new Failure('invalid-argument', 'checkpoint is only supported in experimental mode')
  const name = request.params['id'] ?? ''
  const container = engine.containers.require(name)
  if (request.query.get('checkpoint-dir')) throw new Failure('forbidden', 'custom checkpointdir is not supported')
  if (checkpoint !== '' && mapOf(engine, container) !== undefined) throw notWithUsers()
  const saved = checkpoint === '' ? {} : { checkpoint: requireCheckpoint(container, container.name, '', checkpoint) }
  await startContainer(engine, container, { isAutomatic: false, isJudged: true, ...saved })
  return NO_CONTENT
}

async function list(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const { query, version } = request
  const limit = parseInteger(query, 'limit') ?? 0
  const filter = await resolveListFilter(engine, parseFilters(query))
  const body = await listContainers(engine, {
    all: isTrue(query, 'all'),
    limit: limit > 0 ? limit : undefined,
    withSizes: isTrue(query, 'size'),
    filter,
    version,
  })
  return { kind: 'json', status: 200, body }
}

function inspect(engine: Engine, container: Container, request: ApiRequest): ApiResponse | Promise<ApiResponse> {
  const answer = (sizes: ContainerSizes | undefined): ApiResponse => ({
    kind: 'json',
    status: 200,
    body: inspectContainer(engine, container, sizes, request.version),
  })
  return isTrue(request.query, 'size') ? measureSizes(engine, container).then(answer) : answer(undefined)
}

function stopOptions({ query, version }: ApiRequest): StopOptions {
  const signal = version.atLeast('1.42') ? query.get('signal') : null
  return { signal: signal || undefined, timeoutSeconds: parseInteger(query, 't') }
}

/** `h` and `w`, both needed. */
export function parseSize({ query }: ApiRequest): { height: number; width: number } {
  const read = (name: string) => {
    const text = query.get(name) ?? ''
    if (!/^\d{1,10}$/.test(text) || Number(text) > 0xffff_ffff)
      throw new Failure(
        'invalid-argument',
        `invalid resize ${name === 'h' ? 'height' : 'width'} ${JSON.stringify(text)}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`,
      )
    return Math.min(Number(text), 0xffff)
  }
  return { height: read('h'), width: read('w') }
}

/** The head goes out at once: the client starts the container when it has seen it. */
function wait(container: Container, request: ApiRequest): ApiResponse {
  const condition = request.version.atLeast('1.30') ? parseWaitCondition(request.query.get('condition')) : 'not-running'
  const exit = waitForContainer(container, condition, request.signal)
  return {
    kind: 'stream',
    status: 200,
    contentType: 'application/json',
    write: async (response) => {
      const gone = new Promise<undefined>((resolve) => {
        if (request.signal.aborted) resolve(undefined)
        request.signal.addEventListener('abort', () => resolve(undefined), { once: true })
      })
      const status = await Promise.race([exit, gone])
      if (status === undefined) return
      const error = status.error === '' ? {} : { Error: { Message: status.error } }
      response.write(`${JSON.stringify({ ...error, StatusCode: status.exitCode })}\n`)
    },
  }
}

function stats(engine: Engine, container: Container, request: ApiRequest): ApiResponse {
  const isStream = isTrue(request.query, 'stream', true)
  const isOneShot = isTrue(request.query, 'one-shot')
  if (isStream && isOneShot) throw new Failure('invalid-argument', 'cannot have stream=true and one-shot=true')
  const mode = isStream ? 'stream' : isOneShot ? 'one-shot' : 'once'
  return {
    kind: 'stream',
    status: 200,
    contentType: 'application/json',
    write: async (response) => {
      for await (const sample of watchStats(engine, container, mode, request.signal))
        response.write(`${JSON.stringify(sample)}\n`)
    },
  }
}
