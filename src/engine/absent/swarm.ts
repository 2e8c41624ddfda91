// Swarm: this engine is a node of none, and cannot become one.
import type { RouteKey } from '../../api/routes.ts'
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, Handler, Handlers } from '../http/route.ts'

const NOT_A_MANAGER =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.'

/** Whose version must be a number, by the word for them. */
const UPDATES: Partial<Record<RouteKey, string>> = {
  'POST /swarm/update': 'swarm',
  'POST /nodes/{id}/update': 'node',
  'POST /services/{id}/update': 'service',
  'POST /secrets/{id}/update': 'secret',
  'POST /configs/{id}/update': 'config',
}

const QUESTIONS = [
  'GET /swarm',
  'GET /swarm/unlockkey',
  'POST /swarm/unlock',
  'GET /nodes',
  'GET /nodes/{id}',
  'DELETE /nodes/{id}',
  'GET /services',
  'POST /services/create',
  'GET /services/{id}',
  'GET /services/{id}/logs',
  'DELETE /services/{id}',
  'GET /tasks',
  'GET /tasks/{id}',
  'GET /tasks/{id}/logs',
  'GET /secrets',
  'POST /secrets/create',
  'GET /secrets/{id}',
  'DELETE /secrets/{id}',
  'GET /configs',
  'POST /configs/create',
  'GET /configs/{id}',
  'DELETE /configs/{id}',
] as const satisfies readonly RouteKey[]

export function swarmHandlers(engine: Engine): Handlers {
  const refuse: Handler = async () => {
    throw new Failure('unavailable', NOT_A_MANAGER)
  }
  const join: Handler = async () => {
    // A Docker with this setting says the same.
    if (engine.config.liveRestore)
      throw new Failure('internal', '--live-restore daemon configuration is incompatible with swarm mode')
    throw new Failure('unimplemented', 'swarm mode is not available: this engine has none')
  }
  const updates = Object.entries(UPDATES).map(([key, noun]) => [key, (request: ApiRequest) => update(noun, request)])
  return {
    ...Object.fromEntries(QUESTIONS.map((key) => [key, refuse])),
    ...Object.fromEntries(updates),
    'POST /swarm/init': join,
    'POST /swarm/join': join,
    'POST /swarm/leave': async () => {
      throw new Failure('unavailable', 'This node is not part of a swarm')
    },
  }
}

async function update(noun: string, { query }: ApiRequest): Promise<never> {
  const version = query.get('version') ?? ''
  if (!/^\d+$/.test(version)) {
    // Of these two Docker does not say why.
    if (noun === 'secret' || noun === 'config') throw new Failure('invalid-argument', `invalid ${noun} version`)
    const reason = `strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`
    throw new Failure('invalid-argument', `invalid ${noun} version '${version}': ${reason}`)
  }
  throw new Failure('unavailable', NOT_A_MANAGER)
}
