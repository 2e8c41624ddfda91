// Beyond Docker: execs are listed, signalled and attached to again, also after `kill -9` of the engine.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { call } from '../harness/api.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'
import { frames, hijack } from '../harness/stream-clients.ts'

let engine: TestEngine
let registry: TestRegistry
let container: string
const ECHO = 'while read l; do echo got $l; done; echo eof; exit 3'

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  container = await engine.ok('run', '-d', `${registry.host}/busybox`, 'sleep', '10000')
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

interface View {
  ID: string
  Running: boolean
  ExitCode: number | null
  Pid: number
}

async function createExec(config: object): Promise<string> {
  const answer = await call(engine.socketPath, `POST /v1.45/containers/${container}/exec`, { body: config })
  return (JSON.parse(answer.body) as { Id: string }).Id
}

const startDetached = (id: string) =>
  call(engine.socketPath, `POST /v1.45/exec/${id}/start`, { body: { Detach: true } })

async function view(id: string): Promise<View> {
  return JSON.parse((await call(engine.socketPath, `GET /v1.45/exec/${id}/json`)).body) as View
}

async function list(query = ''): Promise<string[]> {
  const { body } = await call(engine.socketPath, `GET /v1.45/containers/${container}/execs${query}`)
  return (JSON.parse(body) as View[]).map(({ ID }) => ID)
}

async function eventsSince(
  cursor: number,
): Promise<{ Action: string; Actor: { Attributes: Record<string, string> } }[]> {
  const until = (Date.now() / 1000 + 0.01).toFixed(3)
  const { body } = await call(engine.socketPath, `GET /v1.52/events?cursor=${cursor}&until=${until}`)
  return body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

async function lastCursor(): Promise<number> {
  const events = (await eventsSince(0)) as unknown as { berth: { cursor: number } }[]
  return events.at(-1)?.berth.cursor ?? 0
}

const records = () => {
  const directory = join(engine.directory, 'exec/execs', container)
  return existsSync(directory) ? readdirSync(directory) : []
}

test('an exec that was attached to when the engine was killed ends with its input, as in Docker, and its code is known', async () => {
  const id = await createExec({ Cmd: ['sh', '-c', ECHO], AttachStdin: true, AttachStdout: true, AttachStderr: true })
  const first = await hijack(engine, `/v1.45/exec/${id}/start`, '{}')
  first.socket.write('one\n')
  await eventually('it answers', 30_000, () => first.text().includes('got one'))
  const { Pid } = await view(id)
  assert.deepEqual(records(), [`${id}.json`])
  await engine.killEngine()
  await engine.start()
  assert.equal((await view(id)).Pid, Pid)
  await eventually('its end is known', 30_000, async () => (await view(id)).ExitCode === 3)
  assert.deepEqual(await list(), [])
  assert.deepEqual(await list('?all=1'), [id])
  assert.deepEqual(records(), [])
})

test('a detached exec is found again by the next engine, attached to by two clients, and killed', async () => {
  const id = await createExec({
    Cmd: ['sh', '-c', 'while :; do echo tick; sleep 0.1; done'],
    AttachStdout: true,
    AttachStderr: true,
  })
  await startDetached(id)
  await engine.killEngine()
  await engine.start()
  assert.deepEqual(await list(), [id])
  assert.equal((await view(id)).Running, true)
  const [{ ExecIDs }] = JSON.parse(await engine.ok('inspect', container)) as [{ ExecIDs: string[] }]
  assert.deepEqual(ExecIDs, [id])
  const cursor = await lastCursor()
  const [one, two] = [
    await hijack(engine, `/v1.45/exec/${id}/attach`),
    await hijack(engine, `/v1.45/exec/${id.slice(0, 12)}/attach?stderr=0`),
  ]
  await eventually(
    'both read',
    30_000,
    () => frames(one.text()).includes('1:tick\n') && frames(two.text()).includes('1:tick\n'),
  )
  assert.equal((await call(engine.socketPath, `POST /v1.45/exec/${id}/kill?signal=NOPE`)).text, 'invalid signal: NOPE')
  assert.equal((await call(engine.socketPath, `POST /v1.45/exec/${id}/kill?signal=TERM`)).status, 204)
  await Promise.all([one.ended, two.ended])
  await eventually('it has ended', 30_000, async () => (await view(id)).ExitCode === 143)
  const told = (await eventsSince(cursor)).map(({ Action, Actor }) => [
    Action,
    Actor.Attributes['signal'] ?? Actor.Attributes['exitCode'],
  ])
  // Which is told of first is left to chance, as with containers.
  assert.deepEqual(told.sort(), [
    ['exec_die', '143'],
    ['exec_kill', '15'],
  ])
  const late = await call(engine.socketPath, `POST /v1.45/exec/${id}/kill`)
  assert.deepEqual([late.status, late.text], [409, `exec command ${id} is not running`])
})

test('an exec that ends while no engine is there has its code and its event afterwards', async () => {
  const id = await createExec({ Cmd: ['sh', '-c', 'until [ -e /go ]; do sleep 0.05; done; exit 9'] })
  await startDetached(id)
  const cursor = await lastCursor()
  const { Pid } = await view(id)
  await engine.killEngine()
  writeFileSync(`/proc/${Pid}/root/go`, '')
  await eventually('it is gone', 30_000, () => !existsSync(`/proc/${Pid}/exe`))
  await engine.start()
  assert.equal((await view(id)).ExitCode, 9)
  const dies = (await eventsSince(cursor)).filter(
    ({ Action, Actor }) => Action === 'exec_die' && Actor.Attributes['execID'] === id,
  )
  assert.equal(dies.length, 1)
})

test('berth container execs, exec-attach and exec-kill', async () => {
  const id = await createExec({
    Cmd: ['sh', '-c', 'trap "sleep 1; echo bye; exit 4" TERM; while :; do echo tick; sleep 0.1; done'],
    AttachStdout: true,
  })
  await startDetached(id)
  const { Pid } = await view(id)
  const table = (await engine.berth(['container', 'execs', container])).stdout.split('\n')
  assert.match(table[0] ?? '', /^EXEC ID +COMMAND +STATUS +PID +TTY$/)
  assert.match(table[1] ?? '', new RegExp(`^${id.slice(0, 12)} +"sh -c .*" +Running +${Pid} +false$`))
  assert.equal((await engine.berth(['container', 'execs', '-q', '--no-trunc', container])).stdout, `${id}\n`)
  const attached = engine.berth(['container', 'exec-attach', '--no-stdin', container, id.slice(0, 8)])
  assert.equal((await engine.berth(['container', 'exec-kill', '-s', 'TERM', id])).stdout, `${id}\n`)
  const { code, stdout } = await attached
  assert.equal(code, 4)
  assert.match(stdout, /bye\n$/)
  assert.equal((await engine.berth(['container', 'execs', '-q', container])).stdout, '')
  const missing = await engine.berth(['container', 'exec-kill', 'nobody'])
  assert.deepEqual([missing.code, missing.stderr], [1, 'Error response from daemon: No such exec instance: nobody\n'])
})

test('execs go with their container, and their records', async () => {
  const id = await createExec({ Cmd: ['sleep', '10000'] })
  await startDetached(id)
  const waiting = await createExec({ Cmd: ['true'] })
  await engine.ok('kill', container)
  await engine.ok('wait', container)
  assert.equal((await view(id)).ExitCode, 137)
  assert.equal((await call(engine.socketPath, `GET /v1.45/exec/${waiting}/json`)).status, 404)
  assert.deepEqual(records(), [])
})
