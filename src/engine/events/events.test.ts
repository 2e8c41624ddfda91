import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { EventEmitter } from 'node:events'
import { test, type TestContext } from 'node:test'
import type { Clock } from '../../base/clock.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest } from '../http/route.ts'
import { EventLog } from './event-log.ts'
import { chooseEventMediaType } from './event-media-type.ts'
import { parseEventTime } from './event-time.ts'
import { actFor } from './origin.ts'
import { streamEvents } from './stream-events.ts'

const clock: Clock = {
  now: () => 1_000_000,
  monotonic: () => 1_000_000,
  sleep: (_, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
}

function newLog(): EventLog {
  const log = new EventLog(clock)
  log.publish('container', 'create', { ID: 'c1', Attributes: { name: 'web', image: 'nginx:1', tier: 'front' } })
  log.publish('image', 'pull', { ID: 'nginx:1', Attributes: { name: 'nginx' } })
  log.publish('container', 'exec_create: ls', { ID: 'c2', Attributes: { name: 'db', image: 'pg' } })
  return log
}

interface Wishes {
  version?: number
  accept?: string
}

function askFor(query: Record<string, string>, signal: AbortSignal, { version = 52, accept }: Wishes): ApiRequest {
  return {
    query: new URLSearchParams(query),
    version: { major: 1, minor: version, atLeast: (text: string) => version >= Number(text.split('.')[1]) },
    headers: accept === undefined ? {} : { accept },
    signal,
  } as ApiRequest
}

/** Runs the stream until the client goes, which is once `during` is done. */
async function stream(
  events: EventLog,
  query: Record<string, string>,
  options: Wishes & { during?: () => void } = {},
): Promise<{ lines: string[]; contentType: string }> {
  const gone = new AbortController()
  const answer = await streamEvents({ events, clock } as Engine, askFor(query, gone.signal, options))
  assert.ok(answer.kind === 'stream')
  let text = ''
  const response = {
    write: (chunk: Buffer) => {
      text += chunk.toString()
      return true
    },
  } as unknown as ServerResponse
  const done = answer.write(response)
  options.during?.()
  // What is published reaches whoever listens before the loop turns twice: nothing in between waits for the outside.
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  gone.abort()
  await done
  return { lines: text.split('\n').filter((line) => line !== ''), contentType: answer.contentType }
}

const actions = (lines: string[]) => lines.map((line) => JSON.parse(line).Action)

test('without since only what comes is told, with it what was kept too', async () => {
  const events = newLog()
  const more = () => events.publish('volume', 'create', { ID: 'v', Attributes: { driver: 'local' } })
  assert.deepEqual(actions((await stream(events, {}, { during: more })).lines), ['create'])
  assert.deepEqual(actions((await stream(events, { since: '1' })).lines), [
    'create',
    'pull',
    'exec_create: ls',
    'create',
  ])
  assert.deepEqual((await stream(events, { since: '1001' })).lines, [])
})

test('an until in the past replays and ends', async () => {
  assert.deepEqual((await stream(newLog(), { until: '999.5', since: '998' })).lines, [])
  assert.equal((await stream(newLog(), { until: '1000' })).lines.length, 1)
})

test('a line holds the nanoseconds whole, and old fields only for old clients', async () => {
  const { lines, contentType } = await stream(newLog(), { since: '1' })
  assert.equal(
    lines[0],
    '{"Type":"container","Action":"create","Actor":{"ID":"c1","Attributes":{"image":"nginx:1","name":"web","tier":"front"}},"scope":"local","time":1000,"timeNano":1000000000000,"berth":{"cursor":1}}',
  )
  assert.equal(contentType, 'application/jsonl')
  const old = await stream(newLog(), { since: '1' }, { version: 41 })
  assert.equal(old.contentType, 'application/json')
  assert.ok(old.lines[0]?.startsWith('{"status":"create","id":"c1","from":"nginx:1","Type":"container"'))
  assert.match(old.lines[1] ?? '', /"timeNano":1000000000001,"berth":\{"cursor":2\}\}$/)
})

test('the client chooses the framing', async () => {
  const { lines, contentType } = await stream(newLog(), { since: '1' }, { accept: 'application/json-seq' })
  assert.equal(contentType, 'application/json-seq')
  assert.ok(lines.every((line) => line.startsWith('\x1e{')))
})

test('filters', async () => {
  const table: [filters: string, actions: string[]][] = [
    ['{"type":["image"]}', ['pull']],
    ['{"event":["create"]}', ['create']],
    ['{"event":["exec_create"]}', ['exec_create: ls']],
    ['{"container":["we"]}', ['create']],
    ['{"container":["c"]}', ['create', 'exec_create: ls']],
    ['{"image":["nginx"]}', ['create', 'pull']],
    ['{"image":["nginx:1"]}', ['create', 'pull']],
    ['{"label":["tier=front"]}', ['create']],
    ['{"scope":["swarm"]}', []],
  ]
  for (const [filters, expected] of table)
    assert.deepEqual(actions((await stream(newLog(), { since: '1', filters })).lines), expected, filters)
})

test('times that are none are refused', async () => {
  await assert.rejects(stream(newLog(), { since: '9', until: '3' }), {
    code: 'invalid-argument',
    message: '`since` time (9) cannot be after `until` time (3)',
  })
  await assert.rejects(stream(newLog(), { since: 'abc' }), /^Failure: strconv.ParseInt: parsing "abc": invalid syntax$/)
})

test('the framing that is wanted most is chosen, and only one that is named', () => {
  const at = (version: number) => ({
    major: 1,
    minor: version,
    atLeast: (text: string) => version >= Number(text.slice(2)),
  })
  const table: [accept: string | undefined, version: number, type: string][] = [
    [undefined, 52, 'application/jsonl'],
    [undefined, 51, 'application/json'],
    ['*/*', 52, 'application/jsonl'],
    ['application/json', 51, 'application/json'],
    ['application/x-ndjson;q=0.5, application/json-seq', 51, 'application/json-seq'],
    ['application/x-ndjson, application/jsonl', 52, 'application/jsonl'],
    ['application/json-seq;q=0', 52, 'application/jsonl'],
  ]
  for (const [accept, version, type] of table) assert.equal(chooseEventMediaType(accept, at(version)), type, accept)
})

test('times: fractions of any length, zero and before the epoch', () => {
  const parse = (text: string) => parseEventTime(new URLSearchParams({ since: text }), 'since')
  assert.equal(parse(''), undefined)
  assert.equal(parse('-1'), undefined)
  assert.equal(parse('0'), 0n)
  assert.equal(parse('12.5'), 12_500_000_000n)
  assert.equal(parse('12.0000000019'), 12_000_000_001n)
  assert.equal(parse('12.'), 12_000_000_000n)
  assert.equal(parse('-7'), -7_000_000_000n)
  for (const text of ['1e3', '0x10', '12.5.1', '12.x', '2020-01-01']) assert.throws(() => parse(text), /invalid syntax/)
})

test('a cursor is where a client goes on, and one that can not be kept is refused', async () => {
  assert.deepEqual(actions((await stream(newLog(), { cursor: '1' })).lines), ['pull', 'exec_create: ls'])
  assert.deepEqual(actions((await stream(newLog(), { cursor: '0' })).lines), ['create', 'pull', 'exec_create: ls'])
  const past = await stream(newLog(), { cursor: '1', until: '1000.0000000015' })
  assert.deepEqual(actions(past.lines), ['pull'])
  await assert.rejects(stream(newLog(), { cursor: '9' }), { code: 'out-of-range' })
  await assert.rejects(stream(newLog(), { cursor: 'x' }), { code: 'invalid-argument' })
  const events = new EventLog(clock)
  for (let i = 0; i < 3000; i++) events.publish('image', 'tag', { ID: `${i}`, Attributes: {} })
  await assert.rejects(stream(events, { cursor: '5' }), /events behind cursor 5 are no longer kept/)
})

test('a clock that is set back changes the times and not the order, and cursors miss nothing', async () => {
  let nowMs = 2_000_000
  const events = new EventLog({ ...clock, now: () => nowMs })
  const tell = (ID: string) => events.publish('image', 'tag', { ID, Attributes: {} })
  tell('a')
  nowMs = 1_000_000
  tell('b')
  tell('c')
  const kept = events.kept()
  assert.deepEqual(
    kept.map(({ seq }) => seq),
    [1, 2, 3],
  )
  assert.deepEqual(
    kept.map(({ time }) => time),
    [2000, 1000, 1000],
  )
  assert.deepEqual(
    (await stream(events, { cursor: '1' })).lines.map((line) => JSON.parse(line).Actor.ID),
    ['b', 'c'],
  )
})

test('an event says who asked for it, wherever it is published from', async () => {
  const events = new EventLog(clock)
  const tell = () => events.publish('image', 'tag', { ID: 'a', Attributes: {} })
  tell()
  await actFor({ uid: 7, gid: 8, pid: 9 }, async () => {
    await Promise.resolve()
    tell()
  })
  assert.deepEqual(
    events.kept().map(({ by }) => by),
    [undefined, { uid: 7, gid: 8, pid: 9 }],
  )
})

/** A follower whose socket takes what comes until it is full; `drain` empties it. */
async function follow(context: TestContext, events: EventLog, query: Record<string, string>, wishes: Wishes = {}) {
  const gone = new AbortController()
  context.after(() => gone.abort())
  const response = Object.assign(new EventEmitter(), {
    chunks: [] as Buffer[],
    isFull: false,
    destroyed: false,
    write(chunk: Buffer): boolean {
      response.chunks.push(chunk)
      return !response.isFull
    },
    drain(): void {
      response.isFull = false
      response.emit('drain')
    },
    lines: () => Buffer.concat(response.chunks).toString().split('\n').slice(0, -1),
  })
  const answer = await streamEvents({ events, clock } as Engine, askFor(query, gone.signal, wishes))
  assert.ok(answer.kind === 'stream')
  void answer.write(response as unknown as ServerResponse)
  return response
}

const turn = () => new Promise((resolve) => setImmediate(resolve))
const tag = (events: EventLog, ...ids: string[]) => {
  for (const ID of ids) events.publish('image', 'tag', { ID, Attributes: {} })
}

test('followers who wish the same are given the same bytes, and others their own', async (context) => {
  const events = new EventLog(clock)
  const one = await follow(context, events, {})
  const same = await follow(context, events, {})
  const old = await follow(context, events, {}, { version: 41 })
  const framed = await follow(context, events, {}, { accept: 'application/json-seq' })
  const filtered = await follow(context, events, { filters: '{"type":["volume"]}' })
  tag(events, 'a')
  await turn()
  events.publish('volume', 'create', { ID: 'v', Attributes: { driver: 'local' } })
  await turn()
  assert.equal(one.chunks.length, 2)
  assert.equal(one.chunks[0], same.chunks[0])
  assert.equal(one.chunks[1], same.chunks[1])
  assert.ok(one.lines()[0]?.startsWith('{"Type":"image"'))
  assert.ok(old.lines()[0]?.startsWith('{"status":"tag","id":"a","Type":"image"'))
  assert.ok(framed.lines()[0]?.startsWith('\x1e{"Type":"image"'))
  assert.deepEqual(filtered.lines(), one.lines().slice(1))
})

test('a follower who does not take what comes is made no more of it; the others go on, and it misses nothing', async (context) => {
  const events = new EventLog(clock)
  const slow = await follow(context, events, {})
  const quick = await follow(context, events, {})
  slow.isFull = true
  for (const id of ['a', 'b', 'c']) {
    tag(events, id)
    await turn()
  }
  assert.equal(quick.chunks.length, 3)
  assert.equal(slow.chunks.length, 1)
  assert.equal(events.listenerCount, 2)
  slow.drain()
  await turn()
  assert.deepEqual(slow.lines(), quick.lines())
  // Once more: one that has been slow keeps up again.
  tag(events, 'd')
  await turn()
  assert.equal(slow.lines().length, 4)
})

test('a first event is told at once, and those that follow it in the same turn together', async (context) => {
  const events = new EventLog(clock)
  const follower = await follow(context, events, {})
  tag(events, 'a')
  await Promise.resolve()
  assert.equal(follower.chunks.length, 1)
  tag(events, 'b')
  await Promise.resolve()
  tag(events, 'c')
  await Promise.resolve()
  assert.equal(follower.chunks.length, 1)
  await turn()
  assert.equal(follower.chunks.length, 2)
  assert.equal(follower.lines().length, 3)
  // Who asks for what has happened is told of those that are not written yet, once they are.
  tag(events, 'd')
  assert.equal((await stream(events, { since: '1', until: '1000.9' })).lines.length, 4)
})

test('followers of every pace get each event once and in order, however events come', async () => {
  const COUNT = 400
  for (let seed = 1; seed <= 25; seed++) {
    const random = randomFrom(seed)
    const events = new EventLog(clock)
    const stop = new AbortController()
    const seen: number[][] = [[], [], []]
    const pause = () => (random() < 0.5 ? turn() : Promise.resolve())
    const followed = seen.map((numbers, index) =>
      events.follow(
        0,
        (page) => {
          numbers.push(...page.map(({ seq }) => seq))
          return random() < index * 0.4 ? pause().then(() => {}) : undefined
        },
        stop.signal,
      ),
    )
    for (let told = 0; told < COUNT; told++) {
      tag(events, 'a')
      if (random() < 0.3) await pause()
    }
    const isDone = () => seen.every((numbers) => numbers.length >= COUNT)
    for (let turns = 0; !isDone() && turns < 10_000; turns++) await turn()
    stop.abort()
    await Promise.all(followed)
    const all = Array.from({ length: COUNT }, (_, index) => index + 1)
    assert.deepEqual(seen, [all, all, all], `seed ${seed}`)
    assert.equal(events.listenerCount, 0)
  }
})

/** Numbers from 0 to 1 that are the same for the same seed (a linear congruential generator). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
