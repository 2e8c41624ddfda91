// An event as the stream's clients and the journal read it. The text is made once for all who read it.
import type { EventActor, EventMessage, EventOrigin, EventType } from '../../api/event-types.ts'

const texts = new WeakMap<EventMessage, string>()
const legacyTexts = new WeakMap<EventMessage, string>()

/**
 * Clients before 1.52 also need the flat fields of old: some fail without them. The field `berth` comes last, and clients of Docker pass over it: it
 * holds the cursor with which to go on behind this event, and who asked.
 */
export function encodeEvent(event: EventMessage, withLegacyFields: boolean): string {
  const known = withLegacyFields ? legacyTexts : texts
  let text = known.get(event)
  if (text === undefined) {
    text = withLegacyFields ? encodeLegacy(event) : encode(event)
    known.set(event, text)
  }
  return text
}

function encode({ Type, Action, Actor, scope, time, timeNano, seq, by }: EventMessage): string {
  const actor = { ID: Actor.ID, Attributes: sortKeys(Actor.Attributes) }
  const text = JSON.stringify({ Type, Action, Actor: actor, scope, time })
  const own = JSON.stringify({ cursor: seq, by })
  // JSON.stringify has no way to write an integer of 19 digits.
  return `${text.slice(0, -1)},"timeNano":${timeNano},"berth":${own}}`
}

/** The journal's text with the old fields before the others: to make it anew cost as much as everything else that a follower's event costs. */
function encodeLegacy(event: EventMessage): string {
  const fields = legacyFields(event)
  const text = encodeEvent(event, false)
  return fields === undefined ? text : `${JSON.stringify(fields).slice(0, -1)},${text.slice(1)}`
}

function legacyFields({ Type, Action, Actor }: EventMessage): object | undefined {
  switch (Type) {
    case 'container':
      return { status: Action, id: Actor.ID, from: Actor.Attributes['image'] || undefined }
    case 'image':
      return { status: Action, id: Actor.ID }
    default:
      return undefined
  }
}

function sortKeys(attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** What `encodeEvent` has written without old fields; undefined for anything else. */
export function parseEvent(text: string): EventMessage | undefined {
  try {
    const { Type, Action, Actor, scope, time, berth } = JSON.parse(text) as Encoded
    // Inside a JSON string the quotes would be escaped, and a value of an attribute is no number.
    const nano = /"timeNano":(-?\d{1,19}),"berth":/.exec(text)?.[1]
    if (nano === undefined || !Number.isSafeInteger(berth.cursor)) return undefined
    const { ID, Attributes } = Actor
    return {
      ...{ Type, Action, Actor: { ID, Attributes }, scope, time },
      ...{ timeNano: BigInt(nano), seq: berth.cursor, by: berth.by },
    }
  } catch {
    return undefined
  }
}

interface Encoded {
  Type: EventType
  Action: string
  Actor: EventActor
  scope: 'local'
  time: number
  berth: { cursor: number; by: EventOrigin | undefined }
}
