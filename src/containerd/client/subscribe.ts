// A subscription to containerd's events that says when it has begun.
import { create } from '@bufbuild/protobuf'
import { randomBytes } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { NamespaceUpdateSchema } from '../../gen/events/namespace_pb.ts'
import type { Envelope } from '../../gen/types/event_pb.ts'
import { packMessage } from './any.ts'
import type { ContainerdClient } from './client.ts'

/** Ours answers the call at once. */
const PATIENCE_MS = 20
const REPEAT_MS = 50
const MARK = '/berth/subscribed'

/**
 * Ends with the signal; rejects where containerd goes. `onBegun` is called once, when whatever happens from then on is told. The caller skips topics that it did not
 * ask for.
 *
 * containerd's own server says nothing until the first event comes. So that there is one, we publish it, under a topic that nobody else listens to, again and again until
 * it has come back.
 */
export function subscribe(
  client: ContainerdClient,
  filters: readonly string[],
  options: { signal: AbortSignal; clock: Clock; onBegun: () => void },
): AsyncIterable<Envelope> {
  const topic = `${MARK}/${randomBytes(8).toString('hex')}`
  const begun = new AbortController()
  const onAccepted = () => {
    if (begun.signal.aborted) return
    begun.abort()
    options.onBegun()
  }
  const mine = `namespace==${client.namespace},topic==${JSON.stringify(topic)}`
  const envelopes = client.events.subscribe({ filters: [...filters, mine] }, { signal: options.signal, onAccepted })
  void provoke(client, topic, options.clock, AbortSignal.any([begun.signal, options.signal]))
  return envelopes
}

/** Failures are the subscription's to tell: they have the same cause. */
async function provoke(client: ContainerdClient, topic: string, clock: Clock, ended: AbortSignal): Promise<void> {
  const event = packMessage(NamespaceUpdateSchema, create(NamespaceUpdateSchema, { name: client.namespace }))
  for (let pauseMs = PATIENCE_MS; ; pauseMs = REPEAT_MS) {
    await clock.sleep(pauseMs, ended)
    if (ended.aborted) return
    await client.events.publish({ topic, event }).catch(() => {})
  }
}
