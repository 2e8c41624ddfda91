// The event stream over bare HTTP and by the Docker CLI: what survives a crash, cursors, who asked, clients that do not read, ten thousand events.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, truncateSync, statSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { call } from '../harness/api.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually, must } from '../harness/command.ts'

let engine: BusyboxEngine
let image: string

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

interface Told {
  Action: string
  Actor: { ID: string; Attributes: Record<string, string> }
  berth: { cursor: number; by?: { uid: number; gid: number; pid: number } }
}

const nowSeconds = () => (Date.now() / 1000 + 0.01).toFixed(3)

async function read(query: string, version = 'v1.52'): Promise<Told[]> {
  const { body } = await call(engine.socketPath, `GET /${version}/events?${query}&until=${nowSeconds()}`)
  return body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Told)
}

/** Tags the image under a name and removes it, `count` times. */
async function makeEvents(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await call(engine.socketPath, `POST /v1.45/images/${image}/tag?repo=many&tag=t${i % 50}`)
  }
}

test('after kill -9 of the engine the past is there, and a client goes on with its cursor', async () => {
  const id = await engine.ok('run', '-d', '--network', 'none', '--label', 'tier=front', image, 'sleep', '1000')
  const filters = encodeURIComponent(JSON.stringify({ container: { [id]: true } }))
  const before = await read(`since=1&filters=${filters}`)
  assert.deepEqual(
    before.map(({ Action }) => Action),
    ['create', 'start'],
  )
  await engine.killEngine()
  await engine.start()
  assert.deepEqual(await read(`since=1&filters=${filters}`), before)
  await engine.ok('rm', '-f', id)
  const later = await read(`cursor=${before[0]?.berth.cursor}&filters=${filters}`)
  assert.deepEqual(
    later.map(({ Action }) => Action),
    ['start', 'kill', 'die', 'destroy'],
  )
  const numbers = later.map(({ berth }) => berth.cursor)
  assert.deepEqual(
    numbers,
    [...numbers].sort((a, b) => a - b),
  )
})

test('an event tells the uid and pid of who asked; an end that nobody asked for tells of nobody', async () => {
  const id = await engine.ok('create', '--network', 'none', image, 'true')
  const since = (await read('since=1')).at(-1)?.berth.cursor
  const child = spawn('curl', [
    '-sf',
    '--unix-socket',
    engine.socketPath,
    '-X',
    'POST',
    `http://x/containers/${id}/start`,
  ])
  await once(child, 'exit')
  await engine.ok('wait', id)
  const [start, die] = (await read(`cursor=${since}`)).filter(({ Action }) => ['start', 'die'].includes(Action))
  assert.deepEqual(start?.berth.by, { uid: 0, gid: 0, pid: child.pid })
  assert.equal(die?.berth.by, undefined)
  await engine.ok('rm', id)
})

test('a torn end of the journal costs the torn event alone', async () => {
  await makeEvents(3)
  await engine.killEngine()
  const directory = join(engine.directory, 'data/events')
  const last = join(
    directory,
    readdirSync(directory)
      .filter((name) => name.endsWith('.events'))
      .sort()
      .at(-1) ?? '',
  )
  truncateSync(last, statSync(last).size - 7)
  await engine.start()
  await makeEvents(1)
  const tags = (await read('since=1')).filter(({ Actor }) => Actor.Attributes['name']?.startsWith('many:'))
  assert.deepEqual(
    tags.map(({ Actor }) => Actor.Attributes['name']),
    ['many:t0', 'many:t1', 'many:t0'],
  )
})

test('10000 events while a client does not read: the engine answers others, and the client misses none of them', async () => {
  const socket = createConnection(engine.socketPath)
  socket.write('GET /v1.52/events HTTP/1.1\r\nHost: x\r\n\r\n')
  await new Promise((resolve) => socket.once('readable', resolve)) // the head; nothing more is read
  let text = String(socket.read())
  const id = await engine.ok('run', '-d', '--network', 'none', image, 'sleep', '10000')
  const createExecs = async () => {
    for (let i = 0; i < 1250; i++)
      await call(engine.socketPath, `POST /v1.45/containers/${id}/exec`, { body: { Cmd: ['true'] } })
  }
  await Promise.all(Array.from({ length: 8 }, createExecs))
  assert.equal((await call(engine.socketPath, 'GET /_ping')).status, 200)
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  await eventually(
    'everything was sent',
    60_000,
    () => (text.match(/"Action":"exec_create: true "/g)?.length ?? 0) >= 10_000,
  )
  const cursors = [...text.matchAll(/"cursor":(\d+)/g)].map(([, number]) => Number(number))
  assert.equal(new Set(cursors).size, cursors.length)
  assert.deepEqual(
    cursors,
    [...cursors].sort((a, b) => a - b),
  )
  socket.destroy()
  await engine.ok('rm', '-f', id)
})

test('the Docker CLI follows, filters and formats', async () => {
  const since = nowSeconds()
  const id = await engine.ok(
    'run',
    '--rm',
    '-d',
    '--network',
    'none',
    '--name',
    'told',
    '--label',
    'a=b',
    image,
    'true',
  )
  await eventually('it is gone', 30_000, async () => (await engine.docker(['inspect', id])).code !== 0)
  const events = (...args: string[]) => engine.ok('events', '--since', since, '--until', nowSeconds(), ...args)
  const table: [args: string[], expected: string][] = [
    [['--filter', 'type=container'], 'create start die destroy'],
    [['--filter', 'container=told', '--filter', 'event=start', '--filter', 'event=die'], 'start die'],
    [['--filter', 'label=a=b', '--filter', `image=${image}`], 'create start die destroy'],
    [['--filter', 'label=a=c'], ''],
    [['--filter', 'type=network'], 'connect disconnect'],
    [['--filter', 'scope=swarm'], ''],
    [['--filter', 'node=x'], ''],
  ]
  for (const [args, expected] of table)
    assert.equal((await events(...args, '--format', '{{.Action}}')).split('\n').join(' '), expected, args.join(' '))
  assert.match(
    await events('--filter', 'event=die'),
    /^\S+ container die [0-9a-f]{64} \(a=b, execDuration=0, exitCode=0, image=\S+, name=told\)$/,
  )
  for (const args of [
    ['--filter', 'event=die'],
    ['--format', 'json'],
    ['--format', '{{json .Actor}}'],
  ]) {
    const line = ['events', '--since', since, '--until', nowSeconds(), ...args]
    assert.equal(
      (await engine.berth(line)).stdout.trim(),
      await must(['docker', '-H', engine.host, ...line]),
      args.join(' '),
    )
  }
  const [first = ''] = (
    await engine.berth(['events', '--since', since, '--until', nowSeconds(), '--format', '{{.Cursor}} {{.By.uid}}'])
  ).stdout.split('\n')
  const [cursor = '', uid] = first.split(' ')
  assert.equal(uid, '0')
  const rest = await engine.berth(['events', '--cursor', cursor, '--until', nowSeconds(), '--format', '{{.Action}}'])
  assert.equal(rest.stdout.trim().split('\n').length, (await events('--format', '{{.Action}}')).split('\n').length - 1)
})
