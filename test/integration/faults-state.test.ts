// State that a crash, a full disk or a person has damaged: the engine comes up, says what it cannot use, and destroys nothing.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isAlive } from '../harness/berth.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually, must, run } from '../harness/command.ts'
import { listLeavings, makeInitLayer, nothingBut } from '../harness/leavings.ts'
import { BIN } from '../harness/root.ts'

let engine: BusyboxEngine
let image: string
let rest: string[]

before(async () => {
  engine = await startBusyboxEngine({ cgroups: 'own' })
  ;({ image } = engine)
  await makeInitLayer(engine, image)
  rest = await listLeavings(engine)
})

after(() => engine[Symbol.asyncDispose]())

const data = (path: string) => join(engine.directory, 'data', path)

test('a record that cannot be read is told of and left alone, with everything that belongs to it', async () => {
  const good = await engine.ok('create', '--name', 'good', image, 'true')
  const bad = await engine.ok('create', '--name', 'bad', image, 'cat', '/kept')
  await engine.ok('start', bad)
  await engine.ok('wait', bad)
  const record = data(`containers/${bad}/container.json`)
  const text = readFileSync(record, 'utf8')
  for (const damaged of ['', '[]', `{"version":1,"id":"${bad}"}`, text.replace('"version":1', '"version":99')]) {
    await engine.stop()
    writeFileSync(record, damaged)
    const logged = engine.log().length
    await engine.start()
    assert.match(engine.log().slice(logged), /container record is not usable/)
    assert.equal(await engine.ok('ps', '-aq', '--no-trunc'), good)
    assert.equal(readFileSync(record, 'utf8'), damaged)
  }
  await engine.stop()
  writeFileSync(record, text)
  await engine.start()
  await engine.ok('start', bad)
  assert.equal(await engine.ok('wait', bad), '1') // `cat` of a file that is not there: the layer is still there to look in
  await engine.ok('rm', 'good', 'bad')
  await nothingBut(rest, engine)
})

test('a log or an exit record with rubbish in it is survived', async () => {
  const id = await engine.ok('run', '-d', '--name', 'logged', image, 'sh', '-c', 'echo first; echo last')
  await engine.ok('wait', id)
  const log = data(`containers/${id}/${id}-json.log`)
  const lines = readFileSync(log, 'utf8')
  writeFileSync(log, `${lines}{"log":"torn`)
  assert.match(await engine.ok('logs', id), /^first\nlast/)
  writeFileSync(log, `\0\0\0garbage\n${lines}`)
  const logs = await engine.docker(['logs', id])
  assert.match(logs.stdout, /first\nlast/)
  await engine.ok('rm', id)
  await nothingBut(rest, engine)
})

test('a torn journal costs at most its torn tail', async () => {
  await engine.ok('create', '--name', 'before', image, 'true')
  await engine.killEngine()
  await engine.killContainerd()
  for (const name of readdirSync(data('containerd')).filter((each) => each.startsWith('journal'))) {
    const path = data(`containerd/${name}`)
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('\x10\0\0\0torn')]))
  }
  await engine.start()
  await engine.ok('start', 'before')
  assert.equal(await engine.ok('wait', 'before'), '0')
  await engine.ok('rm', 'before')
  await nothingBut(rest, engine)
})

test('stale pid files and sockets of dead daemons, or of others, are in nobody’s way', async () => {
  await engine.killEngine()
  await engine.killContainerd()
  writeFileSync(join(engine.directory, 'engine.pid'), String(process.pid))
  writeFileSync(join(engine.directory, 'exec/containerd/containerd.pid'), '1')
  assert.ok(existsSync(engine.socketPath))
  mkdirSync(join(engine.directory, 'exec/streams'), { recursive: true })
  const stale = createServer().listen(join(engine.directory, 'exec/streams', 'f'.repeat(64)))
  await engine.start()
  stale.close()
  assert.equal(await engine.ok('run', '--rm', image, 'echo', 'up'), 'up')
  await engine.stop()
  writeFileSync(join(engine.directory, 'engine.pid'), 'not a number')
  writeFileSync(join(engine.directory, 'exec/containerd/containerd.pid'), '')
  await engine.start()
  assert.equal(await engine.ok('run', '--rm', image, 'echo', 'up'), 'up')
  await nothingBut(rest, engine)
})

test('a second engine on the same data root is refused, and the first goes on', async () => {
  const other = join(engine.directory, 'other')
  const daemon = (root: string, pid: string) =>
    run(
      [join(BIN, 'berthd'), '--data-root', root, '--exec-root', `${other}/exec`, '-p', pid, '-H', `unix://${other}/s`],
      { timeoutMs: 10_000 },
    )
  const second = await daemon(join(engine.directory, 'data'), `${other}/pid`)
  assert.equal(second.code, 1)
  assert.match(second.stderr, /another engine is running on the data root/)
  const third = await daemon(`${other}/data`, join(engine.directory, 'engine.pid'))
  assert.equal(third.code, 1)
  assert.match(third.stderr, /process with PID \d+ is still running/)
  assert.ok(isAlive(engine.enginePid()))
  assert.equal(await engine.ok('run', '--rm', image, 'echo', 'up'), 'up')
  rmSync(other, { recursive: true, force: true })
  await nothingBut(rest, engine)
})

test('a socket that another program listens on is not taken away', async () => {
  const path = join(engine.directory, 'taken.sock')
  const taken = createServer().listen(path)
  const root = join(engine.directory, 'other')
  const args = [
    '--data-root',
    `${root}/data`,
    '--exec-root',
    `${root}/exec`,
    '-p',
    `${root}/pid`,
    '-H',
    `unix://${path}`,
  ]
  const refused = await run([join(BIN, 'berthd'), ...args], { timeoutMs: 20_000 })
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /can't create unix socket .*taken\.sock: address already in use/)
  taken.close()
  rmSync(root, { recursive: true, force: true })
  await nothingBut(rest, engine)
})

test('a database that is damaged is set aside and built again: containers and images are there, what ran runs on', async () => {
  const running = await engine.ok('run', '-d', '--name', 'through', image, 'sleep', '1000')
  await engine.killEngine()
  await engine.killContainerd()
  const path = data('containerd/meta.db')
  const kept = readFileSync(path)
  writeFileSync(path, Buffer.concat([Buffer.alloc(4096, 'x'), kept.subarray(4096)]))
  await engine.start()
  assert.match(engine.log(), /metadata database is built again from what is on disk/)
  const aside = readdirSync(data('containerd')).filter((name) => name.startsWith('meta.db.damaged-'))
  assert.equal(aside.length, 1)
  rmSync(data(`containerd/${aside[0]}`))
  assert.equal(await engine.ok('ps', '-q', '--no-trunc'), running)
  assert.equal(await engine.ok('exec', 'through', 'echo', 'on'), 'on')
  await engine.ok('rm', '-f', 'through')
  assert.equal(await engine.ok('run', '--rm', image, 'echo', 'up'), 'up')
  await nothingBut(rest, engine)
})

test('a shim that is killed, before or after its process runs, leaves an end and nothing else', async () => {
  const id = await engine.ok('run', '-d', '--name', 'shot', '-p', '0:80', image, 'sleep', '1000')
  const pid = Number(await engine.ok('inspect', '-f', '{{.State.Pid}}', id))
  const shim = Number((await must(['ps', '-o', 'ppid=', '-p', String(pid)])).trim())
  const exec = engine.docker(['exec', id, 'sleep', '1000'])
  await eventually('the exec runs', 5000, async () => /1000[\s\S]*1000/.test((await engine.docker(['top', id])).stdout))
  process.kill(shim, 'SIGKILL')
  assert.equal(await engine.ok('wait', id), '137')
  assert.equal((await exec).code, 137)
  await eventually('its process is gone', 5000, () => !isAlive(pid))
  await engine.ok('start', id)
  await engine.ok('rm', '-f', id)
  await nothingBut(rest, engine)
})

test('a log that was cut to nothing while its container runs goes on', async () => {
  const id = await engine.ok(
    'run',
    '-d',
    '--name',
    'cut',
    image,
    'sh',
    '-c',
    'while :; do echo line; usleep 20000; done',
  )
  await eventually('it prints', 5000, async () => (await engine.ok('logs', id)).includes('line'))
  truncateSync(data(`containers/${id}/${id}-json.log`), 0)
  await eventually('it prints again', 5000, async () => (await engine.ok('logs', '--tail', '1', id)) === 'line')
  await engine.ok('rm', '-f', id)
  await nothingBut(rest, engine)
})

test('without a usable shim nothing starts, nothing stays, and the reason is told', async () => {
  await engine.stop()
  const missing = join(engine.directory, 'no-shim')
  writeFileSync(missing, 'not a program', { mode: 0o755 })
  process.env['BERTH_SHIM'] = missing
  try {
    await engine.start()
    const garbage = await engine.docker(['run', '--rm', image, 'true'])
    assert.equal(garbage.code, 125, garbage.stderr)
    assert.match(garbage.stderr, /no-shim: exec format error/)
    rmSync(missing)
    await engine.killContainerd() // which may have kept a copy
    await eventually('containerd is back', 10_000, () => isAlive(engine.containerdPid()))
    const gone = await engine.docker(['run', '--rm', image, 'true'])
    assert.notEqual(gone.code, 0)
    assert.match(gone.stderr, /no-shim/)
    await nothingBut(rest, engine)
  } finally {
    delete process.env['BERTH_SHIM']
    await engine.stop()
    await engine.start()
  }
  assert.equal(await engine.ok('run', '--rm', image, 'echo', 'up'), 'up')
})
