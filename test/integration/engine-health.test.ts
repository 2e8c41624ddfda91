// HEALTHCHECK, run for real: its states, its log, its events, and what follows a restart of the engine.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually } from '../harness/command.ts'

let engine: BusyboxEngine
let image: string

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

interface Health {
  Status: string
  FailingStreak: number
  Log: { ExitCode: number; Output: string }[]
}

const health = async (id: string) =>
  JSON.parse(await engine.ok('inspect', '-f', '{{json .State.Health}}', id)) as Health
const becomes = (id: string, status: string) =>
  eventually(`${id} is ${status}`, 8000, async () => {
    const seen = await health(id)
    return seen.Status === status && seen
  })

test('starting, healthy, unhealthy after retries, and healthy again; ps, filters and events say so', async () => {
  const from = String(Date.now() / 1000)
  const check = 'echo "looked"; test -f /fine'
  const id = await engine.ok(
    'run',
    '-d',
    '--name',
    'checked',
    '--health-cmd',
    check,
    '--health-interval',
    '100ms',
    '--health-retries',
    '2',
    image,
    'sleep',
    '1000',
  )
  assert.equal((await health(id)).Status, 'starting')
  assert.match(await engine.ok('ps', '--format', '{{.Status}}'), /\(health: starting\)$/)
  const failing = await becomes(id, 'unhealthy')
  assert.ok(failing.FailingStreak >= 2)
  assert.deepEqual([failing.Log[0]?.ExitCode, failing.Log[0]?.Output], [1, 'looked\n'])
  await engine.ok('exec', id, 'touch', '/fine')
  assert.equal((await becomes(id, 'healthy')).FailingStreak, 0)
  assert.match(await engine.ok('ps', '--format', '{{.Status}}'), /\(healthy\)$/)
  assert.equal(await engine.ok('ps', '-q', '--no-trunc', '--filter', 'health=healthy'), id)
  assert.equal(await engine.ok('ps', '-q', '--filter', 'health=unhealthy'), '')
  await eventually('five results are kept', 5000, async () => (await health(id)).Log.length === 5)
  const events = await engine.ok(
    'events',
    '--since',
    from,
    '--until',
    String(Date.now() / 1000),
    '--filter',
    'event=health_status',
    '--format',
    '{{.Action}}',
  )
  assert.deepEqual(events.split('\n'), ['health_status: unhealthy', 'health_status: healthy'])

  await engine.killEngine()
  await engine.start()
  assert.equal((await health(id)).Status, 'healthy')
  await engine.ok('exec', id, 'rm', '/fine')
  await becomes(id, 'unhealthy')
  await engine.ok('rm', '-f', id)
})

test('a check that takes too long fails, and its process is gone', async () => {
  const id = await engine.ok(
    'run',
    '-d',
    '--health-cmd',
    'echo slow; exec sleep 987',
    '--health-interval',
    '50ms',
    '--health-timeout',
    '200ms',
    '--health-retries',
    '1',
    image,
    'sleep',
    '1000',
  )
  const seen = await becomes(id, 'unhealthy')
  assert.deepEqual([seen.Log[0]?.ExitCode, seen.Log[0]?.Output], [-1, 'Health check exceeded timeout (200ms): slow\n'])
  await engine.ok('stop', '-t', '0', id)
  assert.equal((await health(id)).Status, 'unhealthy')
  await engine.ok('rm', id)
})

test('--no-healthcheck and containers without one have no health', async () => {
  const id = await engine.ok('run', '-d', '--no-healthcheck', image, 'sleep', '1000')
  assert.equal(await health(id), null)
  await engine.ok('rm', '-f', id)
})
