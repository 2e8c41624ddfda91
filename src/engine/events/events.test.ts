import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { Clock } from '../../base/clock.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest } from '../http/route.ts'
import { EventLog } from './event-log.ts'
import { streamEvents } from './stream-events.ts'

const clock: Clock = {
  now: () => 1_000_000,
  sleep: (_, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
}

function newLog(): EventLog {
  const log = new EventLog(clock)
  log.publish('container', 'create', { ID: 'c1', Attributes: { name: 'web', image: 'nginx:1', tier: 'front' } })
  log.publish('image', 'pull', { ID: 'nginx:1', Attributes: { name: 'nginx' } })
  log.publish('container', 'exec_create: ls', { ID: 'c2', Attributes: { name: 'db', image: 'pg' } })
  return log
}

/** Runs the stream until the client goes, which is once `during` is done. */
async function stream(
  events: EventLog,
  query: Record<string, string>,
  options: { version?: number; accept?: string; during?: () => void } = {},
): Promise<{ lines: string[]; contentType: string }> {
  const gone = new AbortController()
  const { version = 52, accept } = options
  const request = {
    query: new URLSearchParams(query),
    version: { major: 1, minor: version, atLeast: (text: string) => version >= Number(text.split('.')[1]) },
    raw: { headers: { ...(accept === undefined ? {} : { accept }) } } as IncomingMessage,
    signal: gone.signal,
  } as ApiRequest
  const answer = await streamEvents({ events, clock } as Engine, request)
  assert.ok(answer.kind === 'stream')
  let text = ''
  const response = {
    writableLength: 0,
    write: (chunk: string) => {
      text += chunk
    },
  } as unknown as ServerResponse
  const done = answer.write(response)
  options.during?.()
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
    '{"Type":"container","Action":"create","Actor":{"ID":"c1","Attributes":{"image":"nginx:1","name":"web","tier":"front"}},"scope":"local","time":1000,"timeNano":1000000000000}',
  )
  assert.equal(contentType, 'application/jsonl')
  const old = await stream(newLog(), { since: '1' }, { version: 41 })
  assert.equal(old.contentType, 'application/json')
  assert.ok(old.lines[0]?.startsWith('{"status":"create","id":"c1","from":"nginx:1","Type":"container"'))
  assert.match(old.lines[1] ?? '', /"timeNano":1000000000001\}$/)
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
  await assert.rejects(
    stream(newLog(), { since: 'abc' }),
    /^Failure: invalid value for 'since': strconv.ParseInt: parsing "abc": invalid syntax$/,
  )
})

test('the log keeps the last 256', () => {
  const log = new EventLog(clock)
  for (let i = 0; i < 300; i++) log.publish('image', 'tag', { ID: `${i}`, Attributes: {} })
  assert.equal(log.kept().length, 256)
  assert.equal(log.kept()[0]?.Actor.ID, '44')
})
