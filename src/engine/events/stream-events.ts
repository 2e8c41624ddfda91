// GET /events: what has been kept since `since`, then what comes, until `until` or until the client goes.
import type { ServerResponse } from 'node:http'
import type { EventMessage } from '../../api/event-types.ts'
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import { type Filters, parseFilters } from '../http/filters.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { encodeEvent } from './encode-event.ts'
import { wantsEvent } from './event-filter.ts'
import { parseEventTime } from './event-time.ts'

/** A client that reads so slowly that this much waits for it is cut off: memory is bounded, and it can ask again with `since`. */
const BACKLOG_BYTES_MAX = 4 * 1024 * 1024

interface Wish {
  since: bigint | undefined
  until: bigint | undefined
  filters: Filters
  request: ApiRequest
  contentType: string
}

export async function streamEvents(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const since = parseEventTime(request.query, 'since')
  const until = parseEventTime(request.query, 'until')
  if (until !== undefined && since !== undefined && until < since) {
    const [from, to] = [request.query.get('since'), request.query.get('until')]
    throw new Failure('invalid-argument', `\`since\` time (${from}) cannot be after \`until\` time (${to})`)
  }
  const wish = { since, until, filters: parseFilters(request.query), request, contentType: contentTypeFor(request) }
  return {
    kind: 'stream',
    status: 200,
    contentType: wish.contentType,
    write: (response) => write(engine, wish, response),
  }
}

async function write(engine: Engine, wish: Wish, response: ServerResponse): Promise<void> {
  const { since, until, request } = wish
  const send = (event: EventMessage) => {
    if (!isWanted(wish, event)) return
    response.write(frame(wish, event))
    if (response.writableLength > BACKLOG_BYTES_MAX) response.destroy()
  }
  // Nothing happens between here and the subscription: both are synchronous, so no event is lost or told twice.
  if (since !== undefined || until !== undefined)
    for (const event of engine.events.kept())
      if ((since === undefined || event.timeNano >= since) && (until === undefined || event.timeNano <= until))
        send(event)
  const waitMs = until === undefined ? undefined : Number(until / 1_000_000n) - engine.clock.now()
  if (waitMs !== undefined && waitMs <= 0) return
  const unsubscribe = engine.events.subscribe(send)
  try {
    await (waitMs === undefined ? aborted(request.signal) : engine.clock.sleep(waitMs, request.signal))
  } finally {
    unsubscribe()
  }
}

function isWanted({ filters, request }: Wish, event: EventMessage): boolean {
  if (event.Type === 'image' && event.Action === 'create' && !request.version.atLeast('1.46')) return false
  return wantsEvent(filters, event)
}

function frame({ request, contentType }: Wish, event: EventMessage): string {
  const text = `${encodeEvent(event, !request.version.atLeast('1.52'))}\n`
  return contentType === 'application/json-seq' ? `\x1e${text}` : text
}

function contentTypeFor(request: ApiRequest): string {
  const accepted = (request.raw.headers.accept ?? '').split(',').map((type) => type.split(';', 1)[0]?.trim())
  const asked = ['application/jsonl', 'application/x-ndjson', 'application/json-seq'].find((type) =>
    accepted.includes(type),
  )
  return asked ?? (request.version.atLeast('1.52') ? 'application/jsonl' : 'application/json')
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
