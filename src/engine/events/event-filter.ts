// Which events a client wants.
import type { EventMessage } from '../../api/event-types.ts'
import { familiarName, parseReference } from '../../oci/parse-reference.ts'
import type { Filters } from '../http/filters.ts'

/** Types that can be filtered by a prefix of the actor's id or name: `container=web` passes every event that is not a container's too. */
const NAMED_TYPES = [
  ...(['container', 'plugin', 'volume', 'network', 'daemon', 'service', 'node', 'secret', 'config'] as const),
]
const PREFIX_ACTIONS = ['health_status', 'exec_create', 'exec_start']

export function wantsEvent(filters: Filters, event: EventMessage): boolean {
  return (
    wantsAction(filters, event) &&
    filters.exact('type', event.Type) &&
    filters.exact('scope', event.scope) &&
    NAMED_TYPES.every((type) => wantsActor(filters, type, event)) &&
    wantsImage(filters, event) &&
    filters.labels('label', event.Actor.Attributes)
  )
}

function wantsAction(filters: Filters, event: EventMessage): boolean {
  const hasPrefix = filters.get('event').some((value) => PREFIX_ACTIONS.includes(value))
  return hasPrefix ? filters.prefix('event', event.Action) : filters.exact('event', event.Action)
}

function wantsActor(filters: Filters, type: string, event: EventMessage): boolean {
  return filters.prefix(type, event.Actor.ID) || filters.prefix(type, event.Actor.Attributes['name'] ?? '')
}

/** A container's events carry the image that it was made of; tags are optional. */
function wantsImage(filters: Filters, event: EventMessage): boolean {
  const name = event.Actor.Attributes[event.Type === 'image' ? 'name' : 'image'] ?? ''
  return [event.Actor.ID, name].some(
    (image) => filters.exact('image', image) || filters.exact('image', withoutTag(image)),
  )
}

/** `docker.io/library/busybox:1` is `busybox`; what is no reference, such as an id, stays as it is. */
function withoutTag(image: string): string {
  try {
    return familiarName(parseReference(image))
  } catch {
    return image
  }
}
