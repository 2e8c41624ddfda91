import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unpackMessage } from '../client/any.ts'
import { TaskExitSchema, TaskOOMSchema } from '../../gen/events/task_pb.ts'
import type { Envelope } from '../../gen/types/event_pb.ts'
import { EventExchange } from './event-exchange.ts'

async function collect(events: AsyncIterable<Envelope>, count: number): Promise<Envelope[]> {
  const found: Envelope[] = []
  for await (const event of events) if (found.push(event) === count) break
  return found
}

test('a subscriber hears what its filters match, in order, from the moment it subscribed', async () => {
  const exchange = new EventExchange()
  const stop = new AbortController()
  exchange.publish('moby', '/tasks/oom', TaskOOMSchema, { containerId: 'early' })
  const events = exchange.subscribe(['namespace==moby,topic~=|^/tasks/|'], stop.signal)
  exchange.publish('k8s', '/tasks/oom', TaskOOMSchema, { containerId: 'other' })
  exchange.publish('moby', '/tasks/oom', TaskOOMSchema, { containerId: 'a' })
  exchange.publish('moby', '/tasks/exit', TaskExitSchema, { containerId: 'b', exitStatus: 3 })
  const [oom, exit] = await collect(events, 2)
  assert.equal(unpackMessage(TaskOOMSchema, oom?.event)?.containerId, 'a')
  assert.equal(unpackMessage(TaskExitSchema, exit?.event)?.exitStatus, 3)
  assert.equal(oom?.event?.typeUrl, 'containerd.events.TaskOOM')
})

test('a filter may ask for a field of the event', async () => {
  const exchange = new EventExchange()
  const events = exchange.subscribe(['event.container_id==b'], new AbortController().signal)
  exchange.publish('moby', '/tasks/oom', TaskOOMSchema, { containerId: 'a' })
  exchange.publish('moby', '/tasks/oom', TaskOOMSchema, { containerId: 'b' })
  const [event] = await collect(events, 1)
  assert.equal(unpackMessage(TaskOOMSchema, event?.event)?.containerId, 'b')
})

test('a subscription ends with its signal, also while it waits', async () => {
  const exchange = new EventExchange()
  const stop = new AbortController()
  const ended = collect(exchange.subscribe([], stop.signal), 1)
  stop.abort()
  assert.deepEqual(await ended, [])
})

test('a malformed topic is refused', () => {
  const exchange = new EventExchange()
  for (const topic of ['', 'tasks', '/tasks/', '/a b'])
    assert.throws(() => exchange.publishAny('moby', topic, undefined), { code: 'invalid-argument' })
})
