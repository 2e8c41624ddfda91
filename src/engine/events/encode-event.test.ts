import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EventMessage, EventType } from '../../api/event-types.ts'
import { encodeEvent, parseEvent } from './encode-event.ts'

/** Of each type, so that one more is a type error here until it has a line. */
const OLD_FIELDS: Record<EventType, readonly string[]> = {
  builder: [],
  container: ['status', 'id', 'from'],
  daemon: [],
  image: ['status', 'id'],
  network: [],
  plugin: [],
  volume: [],
}

const ATTRIBUTES: readonly Record<string, string>[] = [
  {},
  { image: '' },
  { image: 'busybox', name: 'web' },
  { z: '1', image: 'a"b\\\u2028{', 'a "timeNano":1,"berth":': '}' },
]

/** All that the text says, written at once by JSON.stringify: it keeps the order of the keys, and the large number is put in for a small one. */
function writtenAtOnce({ Type, Action, Actor, scope, time, timeNano, seq, by }: EventMessage): string {
  const image = Actor.Attributes['image']
  const old: Record<string, unknown> = { status: Action, id: Actor.ID, from: image === '' ? undefined : image }
  const first = Object.fromEntries(OLD_FIELDS[Type].map((field) => [field, old[field]]))
  const sorted = Object.fromEntries(Object.entries(Actor.Attributes).sort(([a], [b]) => (a < b ? -1 : 1)))
  const actor = { ID: Actor.ID, Attributes: sorted }
  const mark = 123_454_321
  const text = JSON.stringify({
    ...{ ...first, Type, Action, Actor: actor, scope, time },
    ...{ timeNano: mark, berth: { cursor: seq, by } },
  })
  return text.replace(String(mark), String(timeNano))
}

test('events of every type, for clients of old: the old fields come first, and the rest is as for all', () => {
  for (const type of Object.keys(OLD_FIELDS) as EventType[])
    for (const attributes of ATTRIBUTES)
      for (const by of [undefined, { uid: 0, gid: 7, pid: 9 }, { address: '[::1]:5' }]) {
        const event: EventMessage = {
          ...{ Type: type, Action: 'exec_create: sh -c "x"', Actor: { ID: 'id"1', Attributes: attributes } },
          ...{ scope: 'local', time: 1_700_000_000, timeNano: 1_700_000_000_123_456_789n, seq: 7, by },
        }
        assert.equal(encodeEvent(event, true), writtenAtOnce(event))
        const plain = encodeEvent(event, false)
        assert.deepEqual(parseEvent(plain), event)
        const rest = JSON.parse(encodeEvent(event, true)) as Record<string, unknown>
        for (const field of OLD_FIELDS[type]) delete rest[field]
        assert.equal(JSON.stringify(rest), JSON.stringify(JSON.parse(plain)))
      }
})
