// SIGHUP: daemon.json is read again by a running daemon.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { call } from '../harness/api.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, run } from '../harness/command.ts'
import { type RealDockerd, startDockerd } from '../harness/dockerd.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

const directory = mkdtempSync(join(tmpdir(), 'daemon-reload-'))
const file = join(directory, 'daemon.json')
let engine: TestEngine
let real: RealDockerd | undefined
let registry: TestRegistry
let image: string

before(async () => {
  writeFileSync(file, '{}')
  engine = await startEngine({ args: ['--config-file', file, '--max-concurrent-uploads', '7'], debug: false })
  real = await startDockerd({ args: ['--config-file', file, '--live-restore'] })
  registry = await startRegistry(`${directory}/registry`)
  image = `${registry.host}/busybox`
  await pushBusybox(registry.host)
  await engine.ok('pull', '-q', image)
})
after(async () => {
  await registry[Symbol.asyncDispose]()
  await real?.[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
})

type Attributes = Record<string, string>

async function reloads(socketPath: string): Promise<Attributes[]> {
  const now = Math.floor(Date.now() / 1000)
  const events = await call(socketPath, `GET /events?since=1&until=${now}&filters={"type":["daemon"]}`)
  return events.body
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { Actor: { Attributes: Attributes } }).Actor.Attributes)
}

/** The attributes of the event that the reload brings. */
async function reload(text: string): Promise<Attributes> {
  const before = (await reloads(engine.socketPath)).length
  writeFileSync(file, text)
  process.kill(engine.enginePid(), 'SIGHUP')
  return await eventually('the event', 30_000, async () => (await reloads(engine.socketPath))[before])
}

test('what Docker reloads takes effect, and the event tells of it', async () => {
  const settings = {
    labels: ['a=b', 'c=d'],
    'insecure-registries': ['10.0.0.0/8', 'r:5000'],
    'registry-mirrors': ['https://mirror.example/'],
    'default-shm-size': '32m',
    'default-ipc-mode': 'shareable',
    'default-stop-timeout': 1,
    'max-concurrent-downloads': 9,
    'shutdown-timeout': 33,
    features: { x: true },
    'live-restore': true,
    runtimes: { other: { path: '/usr/bin/other' } },
    'default-runtime': 'other',
  }
  const attributes = await reload(JSON.stringify(settings))
  assert.equal(attributes['labels'], '["a=b","c=d"]')
  assert.equal(attributes['insecure-registries'], '["10.0.0.0/8","r:5000"]')
  assert.equal(attributes['default-shm-size'], String(32 << 20))
  assert.equal(attributes['features'], 'map[x:true]')
  assert.equal(attributes['runtimes'], 'other:/usr/bin/other')
  const info = JSON.parse((await call(engine.socketPath, 'GET /info')).body) as Record<string, unknown>
  assert.deepEqual(
    [info['Labels'], info['DefaultRuntime'], info['LiveRestoreEnabled']],
    [['a=b', 'c=d'], 'other', true],
  )
  assert.ok('r:5000' in (info['RegistryConfig'] as { IndexConfigs: object }).IndexConfigs)
  await engine.ok('create', '--name', 'new', '--runtime', 'runc', image, 'true')
  assert.equal(
    await engine.ok('inspect', '-f', '{{.HostConfig.ShmSize}} {{.HostConfig.IpcMode}}', 'new'),
    `${32 << 20} shareable`,
  )
  const unknown = await engine.docker(['create', '--runtime', 'nobody', image, 'true'])
  assert.match(unknown.stderr, /unknown or invalid runtime name: nobody/)
  assert.equal((await engine.docker(['create', '--runtime', 'other', image, 'true'])).code, 0)
})

test('what the file does not name any more goes back as in Docker', async () => {
  const attributes = await reload('{"default-runtime":"runc"}')
  assert.equal(attributes['max-concurrent-downloads'], '3')
  assert.equal(attributes['max-concurrent-uploads'], '5', 'also where a flag had another')
  assert.equal(attributes['features'], 'map[]')
  assert.equal(attributes['labels'], '["a=b","c=d"]')
})

test('the event has the attributes of a real dockerd’s', async (t) => {
  if (real === undefined) return t.skip('no dockerd here')
  const mine = await reload(
    '{"labels":["x=y"],"debug":false,"default-shm-size":"64m","default-ipc-mode":"private","insecure-registries":[],"registry-mirrors":[]}',
  )
  await run(['sh', '-c', `kill -HUP $(cat ${real.directory}/pid)`])
  const { socketPath } = real
  const theirs = await eventually('its event', 30_000, async () => (await reloads(socketPath))[0])
  // Of swarm's discovery and of artefacts, which newer ones have given up; runtimes: 28 does not list its own.
  const gone = [
    'allow-nondistributable-artifacts',
    'cluster-advertise',
    'cluster-store',
    'cluster-store-opts',
    'runtimes',
  ]
  const rest = (attributes: Attributes) =>
    Object.entries(attributes)
      .filter(([key]) => !gone.includes(key) && key !== 'shutdown-timeout')
      .sort()
  assert.deepEqual(rest(mine), rest(theirs))
})

test('debugging is switched on and off', async () => {
  const isDebug = async () =>
    (JSON.parse((await call(engine.socketPath, 'GET /info')).body) as { Debug: boolean }).Debug
  for (const debug of [true, false]) {
    await reload(JSON.stringify({ debug }))
    assert.equal(await isDebug(), debug)
    const last = engine.log().split('Got signal to reload configuration').at(-1) ?? ''
    assert.equal(last.includes('level=debug msg="Reset Max Concurrent Downloads: 3"'), debug)
  }
  await reload('{"labels":["x=y"]}')
  assert.equal(await isDebug(), false, 'what the file does not name stays as it is')
})

test('a file with a mistake is told to the log, and changes nothing', async () => {
  const before = await call(engine.socketPath, 'GET /info')
  const [labels] = [(JSON.parse(before.body) as { Labels: string[] }).Labels]
  for (const [text, message] of [
    ['{"labels":["n=1"],"mtu":-1}', /file configuration validation failed: invalid default MTU: -1/],
    ['{"labels":["n=1"],"nonsense":1}', /the following directives don't match any configuration option: nonsense/],
    ['{"labels":["n=1","n=2"]}', /conflict labels for n=2 and n=1/],
    ['{"labels":["n=1"],"default-runtime":"nobody"}', /specified default runtime 'nobody' does not exist/],
    ['{"labels":["n=1"],', /invalid JSON: /],
    ['{"max-concurrent-uploads":1}', /max-concurrent-uploads: \(from flag: 7, from file: 1\)/],
  ] as const) {
    writeFileSync(file, text)
    process.kill(engine.enginePid(), 'SIGHUP')
    await eventually(`the log tells of ${text}`, 30_000, () => {
      const last = engine
        .log()
        .split('\n')
        .filter((line) => line.includes('Error reloading configuration'))
        .at(-1)
      return last !== undefined && message.test(JSON.stringify(last).replaceAll('\\', ''))
    })
    const info = JSON.parse((await call(engine.socketPath, 'GET /info')).body) as { Labels: string[] }
    assert.deepEqual(info.Labels, labels)
  }
})
