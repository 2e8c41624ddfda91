// containerd.services.events.v1
import { Failure, messageOf } from '../../base/failure.ts'
import type { Events } from '../../gen/services/events_pb.ts'
import type { Envelope } from '../../gen/types/event_pb.ts'
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
      const envelopes = subscribe(events, filters, context.signal)
      context.accept()
      yield* envelopes
    },
  }
}

/** containerd has no code of its own for filters that it cannot read. */
function subscribe(events: EventExchange, filters: readonly string[], signal: AbortSignal): AsyncIterable<Envelope> {
  try {
    return events.subscribe(filters, signal)
  } catch (error) {
    const frame = 'subscription error: failed parsing subscription filters'
    throw new Failure('unknown', `${frame}: ${messageOf(error)}`, { cause: error })
  }
}
