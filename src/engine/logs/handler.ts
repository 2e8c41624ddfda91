// GET /containers/{id}/logs.
import type { Container } from '../container/container.ts'
import { countsAsRunning } from '../container/container-state.ts'
import { Failure } from '../../base/failure.ts'
import { isTrue } from '../http/query.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { requireReadable } from './log-reading.ts'
import { parseLogTime } from './log-time.ts'
import { readLog } from './read-log.ts'
import { writeTo } from './write-to.ts'

export function logsHandler(container: Container, request: ApiRequest): ApiResponse {
  const { query, version, signal } = request
  const stdout = isTrue(query, 'stdout')
  const stderr = isTrue(query, 'stderr')
  if (!stdout && !stderr) throw new Failure('invalid-argument', 'Bad parameters: you must choose at least one stream')
  if (container.isRemoving || container.state.status === 'dead')
    throw new Failure('conflict', 'can not get logs from container which is dead or marked for removal')
  const place = requireReadable(container)
  const options = {
    stdout,
    stderr,
    since: parseLogTime(query.get('since')),
    until: version.atLeast('1.35') ? parseLogTime(query.get('until')) : undefined,
    timestamps: isTrue(query, 'timestamps'),
    details: isTrue(query, 'details'),
    framed: !container.hasTerminal,
    tail: parseTail(query.get('tail')),
    follow: isTrue(query, 'follow') && countsAsRunning(container.state),
  }
  const kind = container.hasTerminal || !version.atLeast('1.42') ? 'raw' : 'multiplexed'
  const ended = container.waiters.nextStop(signal).then(() => {})
  return {
    kind: 'stream',
    status: 200,
    contentType: `application/vnd.docker.${kind}-stream`,
    write: (response) => readLog({ ...place, ended }, options, (bytes) => writeTo(response, bytes), signal),
  }
}

/** `all`, nothing, or anything that is no count means everything. */
function parseTail(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
