// Containers that share a PID, IPC or network namespace with another one.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually, run } from '../harness/command.ts'
import { listLeavings, makeInitLayer, nothingBut } from '../harness/leavings.ts'

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

test('--pid container: sees and signals the processes of the other, and dies without it', async () => {
  await engine.ok('run', '-d', '--name', 'first', image, 'sleep', '4321')
  const seen = await engine.ok('run', '--rm', '--pid', 'container:first', image, 'ps', '-o', 'pid,args')
  assert.match(seen, /^\s*1 sleep 4321$/m)
  await engine.ok('run', '-d', '--name', 'second', '--pid', 'container:first', image, 'sleep', '1234')
  assert.match(await engine.ok('exec', 'first', 'ps', '-o', 'args'), /sleep 1234/)
  assert.match(await engine.ok('exec', 'second', 'ps', '-o', 'pid,args'), /^\s*1 sleep 4321$/m)
  // Its first process is not the init of that namespace: what it leaves behind ends with the container all the same.
  await engine.ok('run', '--rm', '--pid', 'container:first', image, 'sh', '-c', 'sleep 777 & exit 0')
  await eventually(
    'no process stays',
    5000,
    async () => !/777/.test(await engine.ok('exec', 'first', 'ps', '-o', 'args')),
  )
  await engine.ok('rm', '-f', 'first')
  assert.equal(await engine.ok('wait', 'second'), '137')
  await engine.ok('rm', 'second')
  await nothingBut(rest, engine)
})

test('--ipc container: shares shared memory and System V queues of a shareable one', async () => {
  await engine.ok('run', '-d', '--name', 'donor', '--ipc', 'shareable', '--shm-size', '16m', image, 'sleep', '1000')
  await engine.ok('exec', 'donor', 'sh', '-c', 'echo shared > /dev/shm/note')
  const joined = ['run', '--rm', '--ipc', 'container:donor', image]
  assert.equal(await engine.ok(...joined, 'cat', '/dev/shm/note'), 'shared')
  assert.match(await engine.ok(...joined, 'df', '-k', '/dev/shm'), /16384/)
  await engine.ok(...joined, 'sh', '-c', 'echo back > /dev/shm/answer')
  assert.equal(await engine.ok('exec', 'donor', 'cat', '/dev/shm/answer'), 'back')
  const namespace = ['readlink', '/proc/self/ns/ipc']
  assert.equal(await engine.ok(...joined, ...namespace), await engine.ok('exec', 'donor', ...namespace))
  await engine.ok('rm', '-f', 'donor')
  await nothingBut(rest, engine)
})

test('a private IPC namespace is not to be joined', async () => {
  await engine.ok('run', '-d', '--name', 'private', image, 'sleep', '1000')
  const refused = await engine.docker(['run', '--rm', '--ipc', 'container:private', image, 'true'])
  assert.equal(refused.code, 125)
  assert.match(
    refused.stderr,
    /can't join IPC of container [0-9a-f]{64}: non-shareable IPC \(hint: use IpcMode:shareable for the donor container\)/,
  )
  await engine.ok('rm', '-f', 'private')
  await nothingBut(rest, engine)
})

test('--network container: has the other’s address, ports, host name and name files', async () => {
  await engine.ok('run', '-d', '--name', 'server', '--hostname', 'web', image, 'sleep', '1000')
  const joined = ['run', '--rm', '--network', 'container:server', image]
  const address = await engine.ok('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'server')
  assert.match(await engine.ok(...joined, 'ip', '-4', 'addr', 'show', 'eth0'), new RegExp(`inet ${address}/`))
  assert.equal(await engine.ok(...joined, 'hostname'), 'web')
  const hosts = await engine.ok('exec', 'server', 'cat', '/etc/hosts')
  assert.equal(await engine.ok(...joined, 'cat', '/etc/hosts'), hosts)
  await engine.ok('exec', '-d', 'server', 'nc', '-l', '-p', '7777', '-e', 'echo', 'hello')
  await eventually('the server answers over loopback', 5000, async () =>
    (await engine.docker([...joined, 'nc', '-w', '1', '127.0.0.1', '7777'])).stdout.includes('hello'),
  )
  const conflict = await engine.docker([...joined.slice(0, 2), '-p', '80:80', ...joined.slice(2), 'true'])
  assert.equal(conflict.code, 125)
  assert.match(conflict.stderr, /conflicting options: port publishing and the container type network mode/)
  await engine.ok('rm', '-f', 'server')
  await nothingBut(rest, engine)
})

test('what is not there or does not run cannot be joined', async () => {
  await engine.ok('create', '--name', 'idle', image, 'true')
  for (const [flag, expected] of [
    ['--pid', /container [0-9a-f]{64} is not running/],
    ['--ipc', /can't join IPC of container [0-9a-f]{64}: container [0-9a-f]{64} is not running/],
    ['--network', /cannot join network of a non running container: [0-9a-f]{64}/],
  ] as const) {
    const missing = await engine.docker(['run', '--rm', flag, 'container:nobody', image, 'true'])
    assert.equal(missing.code, 125, flag)
    assert.match(missing.stderr, /No such container: nobody/)
    const idle = await engine.docker(['run', '--rm', flag, 'container:idle', image, 'true'])
    assert.equal(idle.code, 125, flag)
    assert.match(idle.stderr, expected)
  }
  await engine.ok('rm', 'idle')
  await nothingBut(rest, engine)
})

test('the terminal of run and of exec has a name inside', async () => {
  await engine.ok('run', '-d', '--name', 'terminal', image, 'sleep', '1000')
  const pty = (line: string) =>
    run(['script', '-qec', line, '/dev/null'], { env: { DOCKER_HOST: engine.host }, timeoutMs: 20_000 })
  assert.match((await pty(`docker exec -it terminal tty`)).stdout, /\/dev\/pts\/\d+/)
  assert.match((await pty(`docker run --rm -it ${image} tty`)).stdout, /\/dev\/pts\/0/)
  await engine.ok('rm', '-f', 'terminal')
  await nothingBut(rest, engine)
})
