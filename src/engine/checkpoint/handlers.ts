// The routes of /containers/{id}/checkpoints.
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import { BOOL, decodeGo, STRING, struct } from '../http/go-json.ts'
import type { ApiRequest, Handlers } from '../http/route.ts'
import { createCheckpoint } from './create.ts'
import { listCheckpoints, removeCheckpoint } from './list.ts'

const CREATE = struct('CreateOptions', { CheckpointID: STRING, CheckpointDir: STRING, Exit: BOOL })

export function checkpointHandlers(engine: Engine): Handlers {
  const find = (request: ApiRequest) => engine.containers.require(request.params['id'] ?? '')
  return {
    'POST /containers/{id}/checkpoints': async (request) => {
      const body = await request.json()
      if (body === undefined) throw new Failure('invalid-argument', 'invalid JSON: got EOF while reading request body')
      const options = decodeGo(body, CREATE) as { CheckpointID?: string; CheckpointDir?: string; Exit?: boolean }
      await createCheckpoint(engine, find(request), request.params['id'] ?? '', {
        id: options.CheckpointID ?? '',
        directory: options.CheckpointDir ?? '',
        exit: options.Exit ?? false,
      })
      return { kind: 'empty', status: 201 }
    },
    'GET /containers/{id}/checkpoints': async (request) => ({
      kind: 'json',
      status: 200,
      body: listCheckpoints(find(request), request.query.get('dir') ?? ''),
    }),
    'DELETE /containers/{id}/checkpoints/{checkpoint}': async (request) => {
      const options = { directory: request.query.get('dir') ?? '', id: request.params['checkpoint'] ?? '' }
      removeCheckpoint(find(request), request.params['id'] ?? '', options)
      return { kind: 'empty', status: 204 }
    },
  }
}
