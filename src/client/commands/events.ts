// events: GET /events, a line each.
import { messageOf } from '../../base/failure.ts'
import { readLines } from '../../wire/json-stream.ts'
import { type Command, ExitCode } from '../command.ts'
import { formatNanoTime } from '../format/moments.ts'
import { compileTemplate } from '../../base/go/template.ts'
import { goJson } from '../../base/go/go-json.ts'
import { parseFilters } from '../options/filters.ts'
import { FILTER, INSPECT_FORMAT } from '../options/format-flags.ts'
import { parseMoment } from '../options/moment.ts'

interface EventMessage {
  Type: string
  Action: string
  Actor: { ID: string; Attributes?: Record<string, string> | null }
  time?: number
  /** Whole: a number has no more than 53 bits. */
  timeNano?: bigint
  scope?: string
  status?: string
  id?: string
  from?: string
  /** Of an engine that is ours: where to go on behind this event, and who asked for it. */
  berth?: { cursor?: number; by?: { uid?: number; pid?: number; address?: string } }
}

const EMPTY: EventMessage = { Type: '', Action: '', Actor: { ID: '', Attributes: {} } }

export const events: Command = {
  flags: [
    FILTER,
    INSPECT_FORMAT,
    { name: 'since', kind: 'string', usage: 'Show all events created since timestamp' },
    { name: 'until', kind: 'string', usage: 'Stream events until this timestamp' },
    { name: 'cursor', kind: 'string', usage: 'Show all events behind this one, by its {{.Cursor}}', hidden: true },
  ],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    shell.interruption.listen()
    const render = makeRenderer(flags.text('format') ?? '')
    const body = await shell.connection.open({
      method: 'GET',
      path: '/events',
      query: {
        since: parseMoment(flags.text('since')),
        until: parseMoment(flags.text('until')),
        cursor: flags.text('cursor') || undefined,
        filters: parseFilters(flags.list('filter')),
      },
    })
    for await (const line of readLines(body)) shell.print(`${render(parseEvent(line))}\n`)
    return 0
  },
}

function makeRenderer(format: string): (event: EventMessage) => string {
  if (format === '') return formatEvent
  if (format === 'json') return (event) => goJson(messageOfDocker(event))
  try {
    const render = compileTemplate(format)
    render(fieldsOf(EMPTY), { type: '*events.Message' }) // a field that no event has is refused before the first one
    return (event) => render(fieldsOf(event), { type: '*events.Message' })
  } catch (error) {
    throw new ExitCode(64, `Error parsing format: ${messageOf(error)}`)
  }
}

function parseEvent(line: string): EventMessage {
  const { timeNano: _, ...event } = JSON.parse(line) as Omit<EventMessage, 'timeNano'> & { timeNano?: number }
  // Inside a string its quotes would be escaped.
  const nano = /"timeNano":(-?\d+)/.exec(line)?.[1]
  return nano === undefined ? event : { ...event, timeNano: BigInt(nano) }
}

/** The fields that Docker's client knows, in its order. */
function messageOfDocker({ status, id, from, Type, Action, Actor, scope, time, timeNano }: EventMessage): object {
  const fields = {
    ...{ status: status || undefined, id: id || undefined, from: from || undefined, Type, Action, Actor },
    ...{ scope: scope || undefined, time: time || undefined, timeNano: timeNano || undefined },
  }
  return fields
}

/** Under the names that Go's structure gives them. What Docker's has not is found by name, and otherwise not shown. */
function fieldsOf(event: EventMessage): Record<string, unknown> {
  const { status = '', id = '', from = '', scope = '', time = 0, timeNano = 0n, berth = {} } = event
  const fields = {
    ...{ Status: status, ID: id, From: from, Type: event.Type, Action: event.Action, Actor: event.Actor },
    ...{ Scope: scope, Time: time, TimeNano: timeNano },
  }
  return Object.defineProperties(fields, {
    toJSON: { value: () => messageOfDocker(event) },
    Cursor: { value: berth.cursor ?? 0 },
    By: { value: berth.by ?? {} },
  })
}

function formatEvent(event: EventMessage): string {
  const { Type, Action, Actor, time, timeNano } = event
  const moment = timeNano
    ? `${formatNanoTime(timeNano)} `
    : time
      ? `${formatNanoTime(BigInt(time) * 1_000_000_000n)} `
      : ''
  const attributes = Object.entries(Actor.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
  const tail = attributes.length === 0 ? '' : ` (${attributes.join(', ')})`
  return `${moment}${Type} ${Action} ${Actor.ID}${tail}`
}
