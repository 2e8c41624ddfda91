// An event as the stream's clients read it.
import type { EventMessage } from '../../api/event-types.ts'

/** Clients before 1.52 also need the flat fields of old: some fail without them. */
export function encodeEvent(event: EventMessage, withLegacyFields: boolean): string {
  const { Type, Action, Actor, scope, time, timeNano } = event
  const actor = { ID: Actor.ID, Attributes: sortKeys(Actor.Attributes) }
  const text = JSON.stringify({
    ...(withLegacyFields ? legacyFields(event) : {}),
    Type,
    Action,
    Actor: actor,
    scope,
    time,
  })
  // JSON.stringify has no way to write an integer of 19 digits.
  return `${text.slice(0, -1)},"timeNano":${timeNano}}`
}

function legacyFields({ Type, Action, Actor }: EventMessage): object {
  switch (Type) {
    case 'container':
      return { status: Action, id: Actor.ID, from: Actor.Attributes['image'] }
    case 'image':
      return { status: Action, id: Actor.ID }
    default:
      return {}
  }
}

function sortKeys(attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)))
}
