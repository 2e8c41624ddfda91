// Checkpoints through the Engine API: taken, listed, started from, removed. The real criu where it works on this kernel, and one that notes what it is asked.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { call } from '../harness/api.ts'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { eventually } from '../harness/command.ts'
import { makeFakeCriu, skipWithoutCriu } from '../harness/criu.ts'
import { REQUEST } from '../../src/runc/criu/messages.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry } from '../harness/registry.ts'

const skip = await skipWithoutCriu()
const shared = mkdtempSync(join(tmpdir(), 'berth-checkpoints-'))
const counter = join(shared, 'counter')
let engine: TestEngine
let image: string

after(() => rmSync(shared, { recursive: true, force: true }))

const api = (line: string, body?: unknown) => call(engine.socketPath, line, body === undefined ? {} : { body })
const count = () => (existsSync(counter) ? Number(readFileSync(counter, 'utf8')) : 0)
const countsBeyond = (least: number) => eventually(`it counts beyond ${least}`, 30_000, () => count() > least)
const script = 'n=0; while :; do n=$((n+1)); echo $n >/shared/counter; sleep 0.02; done'
const runCounter = (name: string) =>
  engine.ok('run', '-d', '--name', name, '--network', 'none', '-v', `${shared}:/shared`, image, 'sh', '-c', script)
const stateOf = (name: string) => engine.ok('inspect', '-f', '{{.State.Status}}', name)

async function open(env: Record<string, string> = {}): Promise<void> {
  engine = await startEngine({ args: ['--experimental'], env })
  await using registry = await startRegistry(`${engine.directory}/registry`)
  image = `${registry.host}/busybox`
  await pushBusybox(registry.host)
  await engine.ok('pull', '-q', image)
}

describe('a checkpoint by the real criu', { skip }, () => {
  before(() => open())
  after(() => engine[Symbol.asyncDispose]())

  test('is taken of a container that runs on, and of one that ends, which is then brought back from it', async () => {
    await runCounter('saved')
    await countsBeyond(30)
    assert.equal((await api('POST /containers/saved/checkpoints', { CheckpointID: 'first', Exit: false })).status, 201)
    assert.equal(await stateOf('saved'), 'running')
    await countsBeyond(count())
    assert.equal((await api('POST /containers/saved/checkpoints', { CheckpointID: 'last', Exit: true })).status, 201)
    await eventually('it has ended', 30_000, async () => (await stateOf('saved')) === 'exited')
    const reached = count()
    rmSync(counter)
    assert.deepEqual(JSON.parse((await api('GET /containers/saved/checkpoints')).body), [
      { Name: 'first' },
      { Name: 'last' },
    ])
    assert.equal((await api('POST /containers/saved/start?checkpoint=last')).status, 204)
    await countsBeyond(0)
    assert.ok(count() >= reached - 1, `it goes on from ${reached}: ${count()}`)
    assert.equal(await stateOf('saved'), 'running')
    assert.equal((await api('DELETE /containers/saved/checkpoints/first')).status, 204)
    assert.deepEqual(JSON.parse((await api('GET /containers/saved/checkpoints')).body), [{ Name: 'last' }])
    await engine.ok('kill', 'saved')
    const directory = `${engine.directory}/data/containers/${await engine.ok('inspect', '-f', '{{.Id}}', 'saved')}`
    assert.deepEqual(readdirSync(`${directory}/checkpoints`), ['last'])
    await engine.ok('rm', 'saved')
    await eventually('its checkpoints go with it', 10_000, () => !existsSync(directory))
  })
})

describe('a checkpoint', () => {
  const fake = makeFakeCriu(shared)
  before(() => open(fake.env))
  after(() => engine[Symbol.asyncDispose]())

  test('is asked of criu as dockerd asks, and a start brings the container back from it', async () => {
    await runCounter('asked')
    const id = await engine.ok('inspect', '-f', '{{.Id}}', 'asked')
    const pid = await engine.ok('inspect', '-f', '{{.State.Pid}}', 'asked')
    const directory = `${engine.directory}/data/containers/${id}/checkpoints`
    fake.takeNotes()
    assert.equal((await api('POST /containers/asked/checkpoints', { CheckpointID: 'first' })).status, 201)
    assert.equal(await stateOf('asked'), 'running')
    const dump = fake.takeNotes().find(({ type }) => type === REQUEST.dump)
    assert.deepEqual(
      [
        dump?.['leaveRunning'],
        dump?.['tcpEstablished'],
        dump?.['externalUnixSockets'],
        dump?.['fileLocks'],
        dump?.['pid'],
      ],
      [true, true, true, true, Number(pid)],
    )
    assert.match(String(dump?.['imagesDirectory']), new RegExp(`^${directory}/first`))
    assert.equal((await api('POST /containers/asked/checkpoints', { CheckpointID: 'last', Exit: true })).status, 201)
    await eventually('it has ended', 30_000, async () => (await stateOf('asked')) === 'exited')
    fake.takeNotes()
    assert.equal((await api('POST /containers/asked/start?checkpoint=last')).status, 204)
    const restore = fake.takeNotes().find(({ type }) => type === REQUEST.restore)
    assert.equal(restore?.['imagesDirectory'], `${directory}/last`)
    assert.equal(await stateOf('asked'), 'running')
    const restored = await engine.ok('inspect', '-f', '{{.State.Pid}}', 'asked')
    assert.equal(readFileSync(`/proc/${restored}/comm`, 'utf8').trim(), 'sleep')
    await engine.ok('kill', 'asked')
    assert.deepEqual(JSON.parse((await api('GET /containers/asked/checkpoints')).body), [
      { Name: 'first' },
      { Name: 'last' },
    ])
    assert.equal((await api('DELETE /containers/asked/checkpoints/first')).status, 204)
    assert.deepEqual(readdirSync(directory), ['last'])
    await engine.ok('rm', 'asked')
    await eventually('its checkpoints go with it', 10_000, () => !existsSync(directory))
  })

  test('has its name once its files are on disk, and then the name is, too', async () => {
    await runCounter('synced')
    const id = await engine.ok('inspect', '-f', '{{.Id}}', 'synced')
    const trace = join(shared, 'trace')
    const calls = 'fsync,fdatasync,rename,renameat,renameat2'
    const flags = ['-f', '-y', '-qq', '-e', `trace=${calls}`, '-o', trace, '-p', String(engine.enginePid())]
    const strace = spawn('strace', flags, { stdio: 'ignore' })
    const ended = once(strace, 'exit')
    await eventually(
      'the engine is traced',
      10_000,
      () => !/^TracerPid:\s+0$/m.test(readFileSync(`/proc/${engine.enginePid()}/status`, 'utf8')),
    )
    assert.equal((await api('POST /containers/synced/checkpoints', { CheckpointID: 'kept' })).status, 201)
    strace.kill('SIGINT')
    await ended
    const parent = `${engine.directory}/data/containers/${id}/checkpoints`
    const lines = readFileSync(trace, 'utf8').split('\n')
    const renamed = lines.findIndex((line) => line.includes('rename') && line.includes(`"${parent}/kept"`))
    const isSync = (line: string, path: string) => /f(?:data)?sync\(/.test(line) && line.includes(`<${path}>`)
    assert.ok(renamed >= 0, lines.join('\n'))
    const files = readdirSync(`${parent}/kept`)
    assert.ok(files.length > 0)
    for (const path of [`${parent}/kept unfinished`, ...files.map((name) => `${parent}/kept unfinished/${name}`)])
      assert.ok(
        lines.slice(0, renamed).some((line) => isSync(line, path)),
        `${path} is synced before`,
      )
    assert.ok(
      lines.slice(renamed).some((line) => isSync(line, parent)),
      'the name is synced',
    )
    await engine.ok('rm', '-f', 'synced')
  })

  test("is refused in Docker's words", async () => {
    await engine.ok('create', '--name', 'still', image, 'true')
    const id = await engine.ok('inspect', '-f', '{{.Id}}', 'still')
    const cases: [string, unknown, number, string][] = [
      ['POST /containers/still/checkpoints', { CheckpointID: 'a1' }, 409, `container ${id} is not running`],
      ['POST /containers/nope/checkpoints', { CheckpointID: 'a1' }, 404, 'No such container: nope'],
      [
        'DELETE /containers/still/checkpoints/gone',
        undefined,
        500,
        'checkpoint gone does not exist for container still',
      ],
      [
        'DELETE /containers/still/checkpoints/.hidden',
        undefined,
        400,
        'Invalid checkpoint ID (.hidden), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed',
      ],
      [
        'POST /containers/still/start?checkpoint=gone',
        undefined,
        500,
        'checkpoint gone does not exist for container still',
      ],
      [
        'POST /containers/still/start?checkpoint=gone&checkpoint-dir=/x',
        undefined,
        403,
        'custom checkpointdir is not supported',
      ],
    ]
    for (const [line, body, status, text] of cases) {
      const answer = await api(line, body)
      assert.deepEqual([answer.status, answer.text], [status, text], line)
    }
    await engine.ok('rm', 'still')
  })

  test('twice of one name is refused, and one that fails leaves nothing', async () => {
    await runCounter('again')
    await countsBeyond(5)
    const both = await Promise.all(
      [1, 2].map(() => api('POST /containers/again/checkpoints', { CheckpointID: 'once' })),
    )
    assert.deepEqual(both.map(({ status }) => status).sort(), [201, 500], 'two at once are one')
    const twice = await api('POST /containers/again/checkpoints', { CheckpointID: 'once' })
    assert.equal(
      twice.text,
      'cannot checkpoint container again: checkpoint with name once already exists for container again',
    )
    const body = { CheckpointID: 'never', CheckpointDir: counter }
    const misplaced = await api('POST /containers/again/checkpoints', body)
    assert.deepEqual([misplaced.status, misplaced.text.startsWith('cannot checkpoint container again: ')], [500, true])
    assert.deepEqual(JSON.parse((await api('GET /containers/again/checkpoints')).body), [{ Name: 'once' }])
    await engine.ok('rm', '-f', 'again')
  })
})
