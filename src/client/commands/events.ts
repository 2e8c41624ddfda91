// events: GET /events, a line each.
import { messageOf } from '../../base/failure.ts'
import { readJsonLines } from '../../wire/json-stream.ts'
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
  timeNano?: number
  scope?: string
  status?: string
  id?: string
  from?: string
}

const EMPTY: EventMessage = { Type: '', Action: '', Actor: { ID: '', Attributes: {} } }

export const events: Command = {
  flags: [
    FILTER,
    INSPECT_FORMAT,
    { name: 'since', kind: 'string', usage: 'Show all events created since timestamp' },
    { name: 'until', kind: 'string', usage: 'Stream events until this timestamp' },
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
        filters: parseFilters(flags.list('filter')),
      },
    })
    for await (const event of readJsonLines(body)) shell.print(`${render(event as EventMessage)}\n`)
    return 0
  },
}

function makeRenderer(format: string): (event: EventMessage) => string {
  if (format === '') return formatEvent
  if (format === 'json') return (event) => goJson(event)
  try {
    const render = compileTemplate(format)
    render(fieldsOf(EMPTY), { type: '*events.Message' }) // a field that no event has is refused before the first one
    return (event) => render(fieldsOf(event), { type: '*events.Message' })
  } catch (error) {
    throw new ExitCode(64, `Error parsing format: ${messageOf(error)}`)
  }
}

/** Under the names that Go's structure gives them. */
function fieldsOf(event: EventMessage): Record<string, unknown> {
  const { status = '', id = '', from = '', scope = '', time = 0, timeNano = 0 } = event
  const fields = {
    ...{ Status: status, ID: id, From: from, Type: event.Type, Action: event.Action, Actor: event.Actor },
    ...{ Scope: scope, Time: time, TimeNano: timeNano },
  }
  return Object.defineProperty(fields, 'toJSON', { value: () => event, enumerable: false })
}

function formatEvent(event: EventMessage): string {
  const { Type, Action, Actor, time, timeNano } = event
  // A number in JSON has no more than 53 bits: the seconds are whole, the rest is near enough.
  const moment = timeNano
    ? `${formatNanoTime(BigInt(timeNano))} `
    : time
      ? `${formatNanoTime(BigInt(time) * 1_000_000_000n)} `
      : ''
  const attributes = Object.entries(Actor.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
  const tail = attributes.length === 0 ? '' : ` (${attributes.join(', ')})`
  return `${moment}${Type} ${Action} ${Actor.ID}${tail}`
}
