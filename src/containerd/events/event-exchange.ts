// Who wants to know hears of it: events of one daemon, in the order they happened.
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { type Any, timestampFromMs } from '@bufbuild/protobuf/wkt'
import { Failure, isFailure } from '../../base/failure.ts'
import { type Envelope, EnvelopeSchema } from '../../gen/types/event_pb.ts'
import { parseFilters } from '../filters/parse-filter.ts'
import { checkIdentifier } from '../identifier.ts'
import { eventField } from './event-fields.ts'

/** Events that a subscriber may fall behind before it is cut off: a stuck client must not eat the daemon's memory. */
const BACKLOG_MAX = 100_000

/** Gives one subscriber its events; `next` is called again only after it resolved. */
interface Subscription {
  offer(envelope: Envelope): void
}

export class EventExchange {
  readonly #subscriptions = new Set<Subscription>()

  /** Tells every subscriber. Never waits for one. */
  publish<Schema extends DescMessage>(
    namespace: string,
    topic: string,
    schema: Schema,
    event: MessageInitShape<Schema>,
  ): void {
    if (this.#subscriptions.size === 0) return
    const value = toBinary(schema, create(schema, event))
    this.#offer(
      create(EnvelopeSchema, {
        timestamp: timestampNow(),
        namespace,
        topic,
        event: { typeUrl: schema.typeName, value },
      }),
    )
  }

  /** As a client asked for it, with the time of now. Throws `invalid-argument` for a malformed topic or namespace. */
  publishAny(namespace: string, topic: string, event: Any | undefined): void {
    this.forward(create(EnvelopeSchema, { timestamp: timestampNow(), namespace, topic, ...(event ? { event } : {}) }))
  }

  /** An event of another program, with its time. */
  forward(envelope: Envelope): void {
    framed('event envelope has invalid namespace', () => checkIdentifier(envelope.namespace))
    framed(`envelope topic ${JSON.stringify(envelope.topic)}`, () => checkTopic(envelope.topic))
    if (envelope.timestamp === undefined)
      throw new Failure('invalid-argument', 'timestamp must be set on forwarded event: invalid argument')
    this.#offer(envelope)
  }

  /** Subscribed when this returns. Ends when the signal aborts; throws `resource-exhausted` for a subscriber that fell too far behind. */
  subscribe(filters: readonly string[], signal: AbortSignal): AsyncIterable<Envelope> {
    const matches = parseFilters(filters)
    const backlog: Envelope[] = []
    let isBehind = false
    let wake: () => void = () => {}
    const subscription: Subscription = {
      offer: (envelope) => {
        if (!matches((path) => eventField(envelope, path))) return
        if (backlog.length >= BACKLOG_MAX) isBehind = true
        else backlog.push(envelope)
        wake()
      },
    }
    const subscriptions = this.#subscriptions
    subscriptions.add(subscription)
    const end = (): void => {
      subscriptions.delete(subscription)
      wake()
    }
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    return (async function* () {
      try {
        for (;;) {
          yield* backlog.splice(0)
          if (isBehind) throw new Failure('resource-exhausted', 'subscriber fell too far behind: resource exhausted')
          if (signal.aborted) return
          if (backlog.length > 0) continue
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      } finally {
        signal.removeEventListener('abort', end)
        subscriptions.delete(subscription)
      }
    })()
  }

  #offer(envelope: Envelope): void {
    for (const subscription of this.#subscriptions) subscription.offer(envelope)
  }
}

/** `/tasks/exit`: a slash and an identifier, once or more. */
function checkTopic(topic: string): void {
  const refuse = (reason: string): never => {
    throw new Failure('invalid-argument', `${reason}: invalid argument`)
  }
  if (topic === '') refuse('must not be empty')
  if (!topic.startsWith('/')) refuse("must start with '/'")
  if (topic === '/') refuse('must have at least one component')
  for (const component of topic.slice(1).split('/'))
    framed(`failed validation on component ${JSON.stringify(component)}`, () => checkIdentifier(component))
}

function framed(frame: string, check: () => unknown): void {
  try {
    check()
  } catch (error) {
    throw isFailure(error) ? new Failure(error.code, `${frame}: ${error.message}`) : error
  }
}

const START_MS = Date.now()
const START_HR = process.hrtime.bigint()

/** Now, with the nanoseconds that keep two events of one millisecond in order. */
export function timestampNow(): { seconds: bigint; nanos: number } {
  const drift = Date.now() - START_MS - Number(process.hrtime.bigint() - START_HR) / 1e6
  if (Math.abs(drift) > 5) return timestampFromMs(Date.now()) // the clock was set meanwhile
  const nanos = BigInt(START_MS) * 1_000_000n + (process.hrtime.bigint() - START_HR)
  return { seconds: nanos / 1_000_000_000n, nanos: Number(nanos % 1_000_000_000n) }
}
