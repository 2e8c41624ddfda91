// GET /events: what has been kept since `since`, or behind `cursor`, then what comes, until `until` or until the client goes.
import type { ServerResponse } from 'node:http'
import type { EventMessage } from '../../api/event-types.ts'
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import { type Filters, parseFilters } from '../http/filters.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { chooseEventMediaType } from './event-media-type.ts'
import { encodeEvent } from './encode-event.ts'
import { wantsEvent } from './event-filter.ts'
import { parseEventTime } from './event-time.ts'

type EventSource = Pick<Engine, 'events' | 'clock'>

interface Wish {
  since: bigint | undefined
  until: bigint | undefined
  /** The client has seen what is up to this number. */
  cursor: number | undefined
  /** Events behind this number come as they happen. */
  now: number
  filters: Filters
  request: ApiRequest
  contentType: string
  sameness: string
}

export async function streamEvents(engine: EventSource, request: ApiRequest): Promise<ApiResponse> {
  const since = parseEventTime(request.query, 'since')
  const until = parseEventTime(request.query, 'until')
  if (until !== undefined && since !== undefined && until < since) {
    const [from, to] = [request.query.get('since'), request.query.get('until')]
    throw new Failure('invalid-argument', `\`since\` time (${from}) cannot be after \`until\` time (${to})`)
  }
  const contentType = chooseEventMediaType(request.headers.accept, request.version)
  const cursor = parseCursor(engine, request.query)
  const wish = {
    since,
    until,
    cursor,
    now: engine.events.lastSeq,
    filters: parseFilters(request.query),
    request,
    contentType,
    sameness: samenessOf(request, contentType),
  }
  return { kind: 'stream', status: 200, contentType, write: (response) => write(engine, wish, response) }
}

/** `cursor` is the number of the last event that the client has seen; 0 stands before the first that is kept. */
function parseCursor({ events }: EventSource, query: URLSearchParams): number | undefined {
  const text = query.get('cursor') ?? ''
  if (text === '') return undefined
  if (query.has('since')) throw new Failure('invalid-argument', "'cursor' and 'since' cannot be used together")
  const seq = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(seq))
    throw new Failure('invalid-argument', `invalid value for 'cursor': ${JSON.stringify(text)} is no event's cursor`)
  events.checkCursor(seq)
  return seq
}

async function write(engine: EventSource, wish: Wish, response: ServerResponse): Promise<void> {
  const { since, until, cursor, now, request } = wish
  const ends = new AbortController()
  const end = () => ends.abort()
  if (request.signal.aborted) return
  request.signal.addEventListener('abort', end, { once: true })
  if (since !== undefined || until !== undefined || cursor !== undefined)
    for await (const page of engine.events.past({ since, until, after: cursor, to: now })) {
      await send(wish, response, page, ends.signal)
      if (ends.signal.aborted) return
    }
  const waitMs = until === undefined ? undefined : Number(until / 1_000_000n) - engine.clock.now()
  if (waitMs !== undefined && waitMs <= 0) return
  if (waitMs !== undefined) void engine.clock.sleep(waitMs, ends.signal).then(end)
  await engine.events.follow(now, (page) => send(wish, response, page, ends.signal), ends.signal)
}

/** A promise where the client does not take it at once: until that resolves nothing more is made for it. */
function send(
  wish: Wish,
  response: ServerResponse,
  page: readonly EventMessage[],
  signal: AbortSignal,
): Promise<void> | undefined {
  const bytes = encodePage(wish, page)
  if (bytes.length === 0 || response.destroyed || response.write(bytes)) return undefined
  return new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}

const encodedPages = new WeakMap<readonly EventMessage[], Map<string, Buffer>>()

/** Made once for all who wish the same of a page. */
function encodePage(wish: Wish, page: readonly EventMessage[]): Buffer {
  let encodings = encodedPages.get(page)
  if (encodings === undefined) {
    encodings = new Map()
    encodedPages.set(page, encodings)
  }
  let bytes = encodings.get(wish.sameness)
  if (bytes === undefined) {
    bytes = Buffer.from(page.map((event) => (isWanted(wish, event) ? frame(wish, event) : '')).join(''))
    encodings.set(wish.sameness, bytes)
  }
  return bytes
}

/** What decides which bytes a client gets of a page: where it is the same, they are. */
function samenessOf({ query, version }: ApiRequest, contentType: string): string {
  return JSON.stringify([version.major, version.minor, contentType, query.get('filters')])
}

function isWanted({ filters, request }: Wish, event: EventMessage): boolean {
  if (event.Type === 'image' && event.Action === 'create' && !request.version.atLeast('1.46')) return false
  return wantsEvent(filters, event)
}

function frame({ request, contentType }: Wish, event: EventMessage): string {
  const text = `${encodeEvent(event, !request.version.atLeast('1.52'))}\n`
  return contentType === 'application/json-seq' ? `\x1e${text}` : text
}
