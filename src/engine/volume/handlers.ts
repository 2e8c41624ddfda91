// The routes of volumes.
import type { VolumeCreateRequest } from '../../api/volume-types.ts'
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import { parseFilters } from '../http/filters.ts'
import { decodeGo, map, STRING, struct } from '../http/go-json.ts'
import { isTrue } from '../http/query.ts'
import type { ApiRequest, ApiResponse, Handlers } from '../http/route.ts'
import { createVolume } from './create.ts'
import { describeVolume } from './describe.ts'
import { listVolumes } from './list.ts'
import { pruneVolumes } from './prune.ts'
import { removeVolume } from './remove.ts'

const CREATE_REQUEST = struct('CreateOptions', {
  Name: STRING,
  Driver: STRING,
  DriverOpts: map(STRING),
  Labels: map(STRING),
  ClusterVolumeSpec: struct('volume.ClusterVolumeSpec', {}),
})

export function volumeHandlers(engine: Engine): Handlers {
  const nameOf = (request: ApiRequest) => request.params['name'] ?? ''
  const ok = (body: unknown, status = 200): ApiResponse => ({ kind: 'json', status, body })
  return {
    'GET /volumes': async ({ query }) => ok(await listVolumes(engine, parseFilters(query))),
    'GET /volumes/{name}': async (request) =>
      ok(describeVolume(await engine.volumes.require(nameOf(request)), { withStatus: true })),
    'POST /volumes/create': async (request) => ok(await create(engine, request), 201),
    'POST /volumes/prune': async ({ query, version }) => ok(await pruneVolumes(engine, parseFilters(query), version)),
    'PUT /volumes/{name}': async () => {
      throw new Failure('unavailable', 'volume update only valid for cluster volumes, but swarm is unavailable')
    },
    'DELETE /volumes/{name}': async (request) => {
      await removeVolume(engine, nameOf(request), { isForced: isTrue(request.query, 'force') })
      return { kind: 'empty', status: 204 }
    },
  }
}

async function create(engine: Engine, request: ApiRequest): Promise<unknown> {
  const body = decodeGo((await request.json()) ?? {}, CREATE_REQUEST) as VolumeCreateRequest
  if (body.ClusterVolumeSpec != null && request.version.atLeast('1.42'))
    throw new Failure(
      'unavailable',
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    )
  const { volume } = await createVolume(engine, {
    name: body.Name ?? '',
    driver: body.Driver ?? '',
    options: body.DriverOpts ?? null,
    labels: body.Labels ?? null,
  })
  return describeVolume(volume)
}
