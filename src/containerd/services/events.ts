// containerd.services.events.v1
import { Failure } from '../../base/failure.ts'
import type { Events } from '../../gen/services/events_pb.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'
import type { EventExchange } from '../events/event-exchange.ts'
import { namespaceOf } from './call-namespace.ts'

export function createEventsService(events: EventExchange): ServiceHandlers<typeof Events> {
  return {
    publish: ({ topic, event }, context) => {
      events.publishAny(namespaceOf(context), topic, event)
      return {}
    },
    forward: ({ envelope }) => {
      if (envelope === undefined) throw new Failure('invalid-argument', 'envelope is required: invalid argument')
      events.forward(envelope)
      return {}
    },
    async *subscribe({ filters }, context) {
      const envelopes = events.subscribe(filters, context.signal)
      context.accept()
      yield* envelopes
    },
  }
}
