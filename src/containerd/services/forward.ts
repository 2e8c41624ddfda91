// containerd.services.events.ttrpc.v1: where shims tell what happens to their tasks.
import { create } from '@bufbuild/protobuf'
import { Failure } from '../../base/failure.ts'
import { EnvelopeSchema } from '../../gen/types/event_pb.ts'
import { type TtrpcServices, ttrpcMethod } from '../../wire/ttrpc/serve-ttrpc.ts'
import { Empty, ForwardRequest } from '../../wire/shim-v2/messages.ts'
import type { EventExchange } from '../events/event-exchange.ts'

export function createForwardService(events: EventExchange): TtrpcServices {
  const forward = ttrpcMethod(ForwardRequest, Empty, ({ envelope }) => {
    if (envelope === undefined) throw new Failure('invalid-argument', 'envelope is required: invalid argument')
    const { timestamp, namespace, topic, event } = envelope
    events.forward(
      create(EnvelopeSchema, {
        namespace,
        topic,
        ...(timestamp === undefined ? {} : { timestamp }),
        ...(event === undefined ? {} : { event }),
      }),
    )
    return {}
  })
  return new Map([['containerd.services.events.ttrpc.v1.Events', new Map([['Forward', forward]])]])
}
