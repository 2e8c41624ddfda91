// The daemon's own endpoints: beside a real dockerd where it has them, and as Prometheus, pprof and curl see them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type ApiOptions, call } from '../harness/api.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must, run } from '../harness/command.ts'
import { type RealDockerd, startDockerd } from '../harness/dockerd.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let engine: TestEngine
let real: RealDockerd | undefined
let registry: TestRegistry
let image: string

before(async () => {
  const metrics = [
    '--metrics-addr',
    '127.0.0.1:23771',
    '--http-proxy',
    'http://u:p@127.0.0.1:1',
    '--no-proxy',
    '127.0.0.1',
  ]
  engine = await startEngine({ args: [...metrics, '--experimental', '--label', 'a=b'] })
  real = await startDockerd({ args: ['--live-restore'] })
  registry = await startRegistry(`${engine.directory}/registry`)
  image = `${registry.host}/busybox`
  await pushBusybox(registry.host)
  await engine.ok('pull', '-q', image)
})
after(async () => {
  await registry[Symbol.asyncDispose]()
  await real?.[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

const ours = (line: string, options?: ApiOptions) => call(engine.socketPath, line, options)
const theirs = (line: string, options?: ApiOptions) => call((real as RealDockerd).socketPath, line, options)
const GO_ARCH = process.arch === 'x64' ? 'amd64' : process.arch
const json = async (line: string) => JSON.parse((await ours(line)).body) as Record<string, unknown>

const SWARM: [line: string, body?: unknown][] = [
  ['GET /v1.41/swarm'],
  ['POST /v1.41/swarm/init', { ListenAddr: '127.0.0.1:2377', AdvertiseAddr: '127.0.0.1' }],
  ['POST /v1.41/swarm/join', { ListenAddr: '127.0.0.1:2377', RemoteAddrs: ['127.0.0.1:1'], JoinToken: 'x' }],
  ['POST /v1.41/swarm/leave'],
  ['POST /v1.41/swarm/update?version=1', {}],
  ['POST /v1.41/swarm/update?version=z', {}],
  ['GET /v1.41/swarm/unlockkey'],
  ['POST /v1.41/swarm/unlock', { UnlockKey: 'x' }],
  ...['nodes', 'services', 'tasks', 'secrets', 'configs'].flatMap((noun): [string][] => [
    [`GET /v1.41/${noun}`],
    [`GET /v1.41/${noun}/x`],
  ]),
  ...['nodes', 'services', 'secrets', 'configs'].flatMap((noun): [string, object?][] => [
    [`DELETE /v1.41/${noun}/x`],
    [`POST /v1.41/${noun}/x/update?version=1`, {}],
    [`POST /v1.41/${noun}/x/update?version=`, {}],
  ]),
  ['POST /v1.41/secrets/create', { Name: 'x' }],
  ['POST /v1.41/services/create', { Name: 'x', TaskTemplate: { ContainerSpec: { Image: 'x' } } }],
  ['GET /v1.41/services/x/logs?stdout=1'],
  ['GET /v1.41/tasks/x/logs?stdout=1'],
  ['GET /v1.41/plugins'],
  ['GET /v1.41/plugins/x/json'],
  ['DELETE /v1.41/plugins/x'],
  ['POST /v1.41/plugins/x/disable'],
  ['POST /v1.41/plugins/x/push'],
  ['POST /v1.41/plugins/x/set', ['a=b']],
  ['OPTIONS /v1.41/any/thing'],
]

test('what the engine has none of is answered as by a Docker that has none', async (t) => {
  if (real === undefined) return t.skip('no dockerd here')
  for (const [line, body] of SWARM) {
    const options = body === undefined ? {} : { body }
    const [mine, other] = await Promise.all([ours(line, options), theirs(line, options)])
    assert.deepEqual([mine.status, mine.body], [other.status, other.body], line)
  }
})

test('a registry’s descriptor and platforms are told as by Docker', async (t) => {
  if (real === undefined) return t.skip('no dockerd here')
  const docker2 = `${registry.host}/docker2`
  const flags = ['--insecure-policy', 'copy', '--src-tls-verify=false', '--dest-tls-verify=false', '--format', 'v2s2']
  await must(['skopeo', ...flags, `docker://${image}`, `docker://${docker2}`])
  const ask = async (asked: typeof ours, name: string) =>
    JSON.parse((await asked(`GET /v1.41/distribution/${name}/json`)).body) as {
      Descriptor: { digest: string }
      Platforms: unknown
    }
  for (const name of [docker2, `${docker2}@${(await ask(theirs, docker2)).Descriptor.digest}`])
    assert.deepEqual(await ask(ours, name), await ask(theirs, name), name)
  // That one does not look into manifests of the newer kind.
  const [mine, other] = [await ask(ours, image), await ask(theirs, image)]
  assert.deepEqual(mine.Descriptor, other.Descriptor)
  assert.deepEqual(mine.Platforms, [{ architecture: GO_ARCH, os: 'linux' }])
  const missing = await ours(`GET /distribution/${image}:nope/json`)
  assert.deepEqual([missing.status, missing.text], [404, 'manifest unknown: manifest unknown'])
})

test('system df counts what there is, in the form of the client’s version', async () => {
  await engine.ok('volume', 'create', 'measured')
  const script =
    'dd if=/dev/zero of=/v/f bs=1k count=64 2>/dev/null; dd if=/dev/zero of=/own bs=1k count=32 2>/dev/null'
  await engine.ok('run', '--name', 'down', '-v', 'measured:/v', image, 'sh', '-c', script)
  await engine.ok('run', '-d', '--name', 'up', image, 'sleep', '1000')
  const old = await json('GET /v1.44/system/df')
  const [volume] = old['Volumes'] as { Name: string; UsageData: { Size: number; RefCount: number } }[]
  assert.deepEqual([volume?.Name, volume?.UsageData], ['measured', { Size: 65536, RefCount: 1 }])
  const down = (old['Containers'] as { Names: string[]; SizeRw: number }[]).find(({ Names }) => Names[0] === '/down')
  assert.ok((down?.SizeRw ?? 0) >= 32768)
  assert.deepEqual(Object.keys(old), ['LayersSize', 'Images', 'Containers', 'Volumes', 'BuildCache'])

  const onlyVolumes = await json('GET /v1.44/system/df?type=volume')
  assert.deepEqual([onlyVolumes['Images'], onlyVolumes['Containers'], onlyVolumes['BuildCache']], [null, null, null])
  const everything = await json('GET /v1.41/system/df?type=volume')
  assert.ok(Array.isArray(everything['Images']), 'before 1.42 there was no choice')
  assert.equal((await ours('GET /v1.44/system/df?type=foo')).text, 'unknown object type: foo')

  const both = await json('GET /v1.52/system/df')
  assert.ok('Images' in both && 'ImageUsage' in both)
  const fresh = await json('GET /v1.52/system/df?verbose=1')
  assert.deepEqual(Object.keys(fresh).sort(), ['BuildCacheUsage', 'ContainerUsage', 'ImageUsage', 'VolumeUsage'])
  const containers = fresh['ContainerUsage'] as Record<string, number>
  assert.deepEqual([containers['TotalCount'], containers['ActiveCount']], [2, 1])
  const table = await engine.ok('system', 'df')
  assert.match(table, /^Local Volumes +1 +1 +65\.54kB +0B \(0%\)$/m)
})

test('both clients print the same of system df', async () => {
  // What HTML gives a meaning: rows escape it, wherever they are, and texts do not.
  await engine.ok('create', '--name', 'odd', '--label', 'of=<x>&y', image, 'sh', '-c', 'echo "<a>" & \u2028')
  await engine.ok('volume', 'create', '--label', 'of=<&>', 'odd')
  const formats = [
    '',
    'raw',
    'json',
    '{{.Type}}: {{.Size}}',
    'table {{.Type}}\t{{.Reclaimable}}',
    '{{.Nope}}',
    '{{json .}}',
    'table {{json .}}',
    'table {{upper .Type}}',
  ]
  const lines = formats.map((format) => (format === '' ? [] : ['--format', format]))
  const verbose = [
    [],
    ['--format', '{{range .Volumes}}{{.Name}} {{.Size}} {{.Links}}{{end}}'],
    ['--format', '{{json .Images}}'],
    ...[
      ['--format', 'json'],
      ['--format', 'raw'],
      ['--format', '{{.Nope}}'],
      ['--format', '{{'],
    ],
    ...['', '.Images', '.Containers', '.Volumes', '.BuildCache'].map((field) => [
      '--format',
      `{{json ${field || '.'}}}`,
    ]),
    ['--format', '{{range .Containers}}{{json .}} {{json .Command}} {{.Labels}} {{upper (json .Labels)}}{{end}}'],
    ...['Images', 'Containers', 'Volumes'].map((field) => ['--format', `{{range .${field}}}{{.Nope}}{{end}}`]),
    ['--format', 'table {{len .Images}}\\t{{(index .Containers 0).Names}}'],
  ]
  for (const line of [...lines, ...verbose.map((each) => ['-v', ...each])]) {
    const both = () => Promise.all([engine.berth, engine.docker].map((client) => client(['system', 'df', ...line])))
    let [mine, other] = await both()
    // Ages pass a second at any moment.
    for (let i = 0; i < 20 && mine?.stdout !== other?.stdout; i++) [mine, other] = await both()
    assert.deepEqual(mine, other, line.join(' '))
  }
})

test('both clients ask the same before a system prune', async () => {
  const rows: [args: string[], input: string][] = [
    [[], 'n\n'],
    [['-a', '--volumes', '--filter', 'label=x', '--filter', 'label!=y=z'], '\n'],
    [['--volumes', '--filter', 'until=1h'], ''],
    [['-f', '--filter', 'label=none'], ''],
    [['--filter', 'nonsense'], ''],
  ]
  for (const [args, input] of rows) {
    const line = ['system', 'prune', ...args]
    const [mine, other] = [await engine.berth(line, { input }), await engine.docker(line, { input })]
    assert.deepEqual(
      [mine.stdout, mine.stderr.replaceAll('berth', 'docker'), mine.code],
      [other.stdout, other.stderr, other.code],
      line.join(' '),
    )
  }
})

test('system prune of the Docker CLI removes what is unused', async () => {
  const said = await engine.docker(['system', 'prune', '-af', '--volumes'])
  assert.equal(said.code, 0, said.stderr)
  assert.match(said.stdout, /Deleted Containers:\n[0-9a-f]{64}\n/)
  assert.match(said.stdout, /Total reclaimed space: /)
  assert.equal(await engine.ok('ps', '-aq', '--filter', 'name=down'), '')
})

test('info and version tell of settings, and of no more than the client’s version knows', async () => {
  const newest = await json('GET /v1.52/info')
  assert.deepEqual(
    [newest['HttpProxy'], newest['NoProxy'], newest['Labels'], newest['ExperimentalBuild']],
    ['http://xxxxx:xxxxx@127.0.0.1:1', '127.0.0.1', ['a=b'], true],
  )
  assert.deepEqual(Object.keys(newest['RuncCommit'] as object), ['ID'])
  const oldest = await json('GET /v1.24/info')
  for (const field of ['Containerd', 'FirewallBackend', 'DiscoveredDevices', 'CDISpecDirs']) {
    assert.ok(field in newest, field)
    assert.ok(!(field in oldest), field)
  }
  assert.ok('BridgeNfIptables' in oldest && !('BridgeNfIptables' in newest))
  const version = await json('GET /version')
  assert.equal(version['Experimental'], true)
  const head = await must(['curl', '-sI', '--unix-socket', engine.socketPath, 'http://x/_ping'])
  assert.match(head, /^Docker-Experimental: true\r$/m)
})

test('metrics are there for Prometheus under dockerd’s names', async () => {
  const scrape = () => must(['curl', '-s', 'http://127.0.0.1:23771/metrics'])
  const text = await scrape()
  assert.match(text, /^# TYPE engine_daemon_container_actions_seconds histogram$/m)
  assert.match(text, /^engine_daemon_container_actions_seconds_count\{action="start"\} [2-9]$/m)
  assert.match(text, /^engine_daemon_container_states_containers\{state="running"\} 1$/m)
  assert.match(text, /^engine_daemon_image_actions_seconds_count\{action="pull"\} 1$/m)
  assert.match(text, /^engine_daemon_engine_info\{.*graphdriver="overlayfs".*\} 1$/m)
  const before = Number(/^engine_daemon_events_total (\d+)$/m.exec(text)?.[1])
  await engine.ok('kill', '-s', 'CONT', 'up')
  assert.equal(Number(/^engine_daemon_events_total (\d+)$/m.exec(await scrape())?.[1]), before + 1)
  assert.match(await must(['curl', '-s', 'http://127.0.0.1:23771/version']), /404/)
})

test('profiles are read by go tool pprof; other debug paths answer', async (t) => {
  assert.match((await ours('GET /debug/pprof/')).text, /goroutine/)
  assert.match((await ours('GET /v1.44/debug/pprof/goroutine?debug=2')).text, /calls: 0\n[\s\S]*handles:/)
  assert.equal((await ours('GET /debug/pprof/mutex')).status, 501)
  assert.equal((await ours('GET /debug/pprof/foo')).text, 'Unknown profile')
  const { memstats } = (await json('GET /debug/vars')) as { memstats: { Alloc: number } }
  assert.ok(memstats.Alloc > 1e6)
  // Newer ones than Debian's build the tool first, for which they want a network.
  const pprof = [`/usr/lib/go/pkg/tool/linux_${GO_ARCH}/pprof`].find(existsSync)
  if (pprof === undefined) return t.skip('no go tool pprof here')
  for (const [name, unit] of [
    ['profile', 'cpu'],
    ['heap', 'inuse_space'],
  ] as const) {
    const file = join(engine.directory, name)
    const asked = run([
      'curl',
      '-s',
      '-o',
      file,
      '--unix-socket',
      engine.socketPath,
      `http://x/debug/pprof/${name}?seconds=2`,
    ])
    for (let i = 0; i < 20; i++) await ours('GET /info')
    assert.equal((await asked).code, 0)
    const raw = await must([pprof, '-raw', file], { env: { HOME: engine.directory } })
    assert.match(raw, new RegExp(`^(?:samples/count )?${unit}/\\w+$`, 'm'))
    if (name === 'profile') assert.match(raw, /showInfo|serve|answer/)
  }
})

test('SIGUSR1 leaves a dump of what the daemon is doing', async () => {
  const events = request({ socketPath: engine.socketPath, path: '/events' }).end()
  events.on('error', () => {}) // it is cut below
  await once(events, 'response')
  try {
    process.kill(engine.enginePid(), 'SIGUSR1')
    const exec = join(engine.directory, 'exec')
    await eventually('it lists the request', 20_000, () => {
      const dumps = readdirSync(exec).filter((name) => name.startsWith('goroutine-stacks-'))
      return dumps.some((name) => readFileSync(join(exec, name), 'utf8').includes('GET /events'))
    })
  } finally {
    events.destroy()
  }
  assert.match(engine.log(), /goroutine stack dump written to/)
})

test('a setting of the oldest version refuses older clients, and log-format=json is JSON', async () => {
  const file = join(engine.directory, 'daemon.json')
  writeFileSync(file, '{"min-api-version":"1.44","log-format":"json"}')
  await using other = await startEngine({ args: ['--config-file', file] })
  const old = await call(other.socketPath, 'GET /v1.43/info')
  assert.deepEqual(
    [old.status, old.text],
    [
      400,
      'client version 1.43 is too old. Minimum supported API version is 1.44, please upgrade your client to a newer version',
    ],
  )
  assert.equal((await call(other.socketPath, 'GET /v1.44/_ping')).status, 200)
  assert.equal(
    (JSON.parse((await call(other.socketPath, 'GET /version')).body) as { MinAPIVersion: string }).MinAPIVersion,
    '1.44',
  )
  const lines = other
    .log()
    .split('\n')
    .filter((line) => line.includes('completed initialization'))
  assert.equal((JSON.parse(lines[0] ?? '') as { level: string }).level, 'info')
})
