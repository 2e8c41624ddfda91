// Other OCI runtimes under our engine: `--runtime` names one, containerd's task code runs it by its command line. runc is the one that every
// machine with Docker has.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually } from '../harness/command.ts'
import { findProgram } from '../harness/runtime.ts'

let engine: BusyboxEngine
let image: string

before(async () => {
  const directory = `/tmp/berth-runtimes-${process.pid}`
  mkdirSync(directory)
  const runtimes = {
    other: { path: findProgram('runc') ?? 'runc' },
    logged: { path: findProgram('runc') ?? 'runc', runtimeArgs: ['--root', join(directory, "it's root")] },
    gone: { path: '/no/such/runtime' },
  }
  writeFileSync(join(directory, 'daemon.json'), JSON.stringify({ runtimes }))
  engine = await startBusyboxEngine({ directory, args: ['--config-file', join(directory, 'daemon.json')] })
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

const run = (...args: string[]) => engine.docker(['run', '--rm', '--runtime', 'other', ...args], { timeoutMs: 30_000 })

test('a container of another runtime runs, with its streams, its code and its input', async () => {
  const result = await run(image, 'sh', '-c', 'echo out; echo err >&2; exit 7')
  assert.deepEqual(result, { code: 7, stdout: 'out\n', stderr: 'err\n' })
  const echoed = await engine.docker(['run', '--rm', '-i', '--runtime', 'other', image, 'cat'], { input: 'all of it' })
  assert.deepEqual(echoed, { code: 0, stdout: 'all of it', stderr: '' })
})

test('failures are told in the runtime’s own words, and nothing is left', async () => {
  const missing = await run(image, 'nope')
  assert.equal(missing.code, 127)
  assert.match(missing.stderr, /OCI runtime create failed: .*exec: "nope": executable file not found in \$PATH/)
  const gone = await engine.docker(['run', '--rm', '--runtime', 'gone', image, 'true'])
  assert.equal(gone.code, 127)
  assert.match(
    gone.stderr,
    /OCI runtime create failed: .*exec: "\/no\/such\/runtime": stat \/no\/such\/runtime: no such file or directory/,
  )
  const unknown = await engine.docker(['run', '--rm', '--runtime', 'nobody', image, 'true'])
  assert.match(unknown.stderr, /unknown or invalid runtime name: nobody/)
  assert.equal(await engine.ok('ps', '-aq'), '')
})

test('exec, pause, kill, top and logs reach a container of another runtime', async () => {
  const id = await engine.ok('run', '-d', '--runtime', 'other', image, 'sh', '-c', 'echo said; exec sleep 1000')
  const output = await engine.docker(['exec', id, 'sh', '-c', 'echo in; echo wrong >&2; exit 3'])
  assert.deepEqual(output, { code: 3, stdout: 'in\n', stderr: 'wrong\n' })
  const echoed = await engine.docker(['exec', '-i', id, 'cat'], { input: 'typed' })
  assert.deepEqual(echoed, { code: 0, stdout: 'typed', stderr: '' })
  assert.equal((await engine.docker(['exec', id, 'nope'])).code, 127)
  assert.match(await engine.ok('top', id), /sleep 1000/)
  await engine.ok('pause', id)
  assert.equal(await engine.ok('inspect', '-f', '{{.State.Status}}', id), 'paused')
  await engine.ok('unpause', id)
  assert.equal(await engine.ok('logs', id), 'said')
  assert.equal(await engine.ok('inspect', '-f', '{{.HostConfig.Runtime}}', id), 'other')
  await engine.ok('kill', id)
  assert.equal(await engine.ok('wait', id), '137')
  await engine.ok('rm', id)
})

test('a terminal comes over the console socket', async () => {
  const id = await engine.ok('run', '-dt', '--runtime', 'other', image, 'sh', '-c', 'tty; exec sleep 1000')
  await eventually('its terminal is named', 5_000, async () => /\/dev\/pts\/0/.test(await engine.ok('logs', id)))
  await engine.ok('rm', '-f', id)
})

test('a container of another runtime outlives the daemons, and is found again', async () => {
  const id = await engine.ok('run', '-d', '--runtime', 'other', image, 'sleep', '1000')
  await engine.killEngine()
  await engine.killContainerd()
  await engine.start()
  assert.equal((await engine.docker(['exec', id, 'true'])).code, 0)
  await engine.ok('rm', '-f', id)
})

test('runtimeArgs are the runtime’s, whatever is in them; info names all runtimes', async () => {
  const result = await engine.docker(['run', '--rm', '--runtime', 'logged', image, 'echo', 'hello'])
  // runc takes the last --root; that it started at all shows that the first was one argument.
  assert.deepEqual(result, { code: 0, stdout: 'hello\n', stderr: '' })
  const info: { Runtimes: Record<string, unknown>; DefaultRuntime: string } = JSON.parse(
    await engine.ok('info', '-f', '{{json .}}'),
  )
  assert.equal(info.DefaultRuntime, 'runc')
  assert.deepEqual(Object.keys(info.Runtimes).sort(), [
    'berth-runc',
    'gone',
    'io.containerd.runc.v2',
    'logged',
    'other',
    'runc',
  ])
})
