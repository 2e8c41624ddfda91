// The fields that a subscription's filter may ask for: `topic`, `namespace`, `event.container_id`, …
import { type DescField, type DescMessage, fromBinary } from '@bufbuild/protobuf'
import * as container from '../../gen/events/container_pb.ts'
import * as content from '../../gen/events/content_pb.ts'
import * as image from '../../gen/events/image_pb.ts'
import * as namespace from '../../gen/events/namespace_pb.ts'
import * as snapshot from '../../gen/events/snapshot_pb.ts'
import * as task from '../../gen/events/task_pb.ts'
import type { Envelope } from '../../gen/types/event_pb.ts'

const SCHEMAS = new Map<string, DescMessage>()
for (const file of [
  container.file_events_container,
  content.file_events_content,
  image.file_events_image,
  namespace.file_events_namespace,
  snapshot.file_events_snapshot,
  task.file_events_task,
])
  for (const message of file.messages) SCHEMAS.set(message.typeName, message)

export function eventField(envelope: Envelope, path: readonly string[]): string | undefined {
  const [head, ...rest] = path
  switch (head) {
    case 'namespace':
      return rest.length === 0 ? envelope.namespace : undefined
    case 'topic':
      return rest.length === 0 ? envelope.topic : undefined
    case 'event':
      return payloadField(envelope, rest)
    default:
      return undefined
  }
}

/** Strings by their published name, also within messages, and labels. */
function payloadField(envelope: Envelope, path: readonly string[]): string | undefined {
  let schema = SCHEMAS.get(envelope.event?.typeUrl ?? '')
  if (schema === undefined || envelope.event === undefined) return undefined
  let value: unknown = fromBinary(schema, envelope.event.value)
  for (const [index, name] of path.entries()) {
    const field: DescField | undefined = schema?.fields.find((candidate) => candidate.name === name)
    if (field === undefined || typeof value !== 'object' || value === null) return undefined
    value = (value as Record<string, unknown>)[field.localName]
    if (field.fieldKind === 'map') return (value as Record<string, string>)[path.slice(index + 1).join('.')]
    schema = field.fieldKind === 'message' ? field.message : undefined
  }
  return typeof value === 'string' ? value : undefined
}
