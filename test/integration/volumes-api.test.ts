// The volumes API beside a real dockerd's: the same requests in the same order, statuses and bodies compared.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { call } from '../harness/api.ts'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { type RealDockerd, startDockerd } from '../harness/dockerd.ts'
import { must } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { type TestRegistry, startRegistry } from '../harness/registry.ts'

let engine: TestEngine
let peer: RealDockerd | undefined
let registry: TestRegistry

before(async () => {
  engine = await startEngine()
  peer = await startDockerd()
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  for (const socket of [engine.socketPath, peer?.socketPath]) {
    if (socket === undefined) continue
    await must(['docker', '-H', `unix://${socket}`, 'pull', '-q', `${registry.host}/busybox`])
    await must(['docker', '-H', `unix://${socket}`, 'tag', `${registry.host}/busybox`, 'busybox'])
  }
})

after(async () => {
  await peer?.[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

interface Row {
  line: string
  body?: unknown
  /** Where moby 28 answers otherwise than the 20.10 that we compare with, or where looking for a plugin takes each many seconds. */
  since28?: { status: number; text: string }
}

const OPTIONS = (options: Record<string, string>, name = 'opt'): Row => ({
  line: 'POST /volumes/create',
  body: { Name: name, DriverOpts: options },
})
const container = (HostConfig: object): Row => ({
  line: 'POST /containers/create',
  body: { Image: 'busybox', Cmd: ['true'], HostConfig },
})
const noPlugin = (name: string) => ({
  status: 404,
  text: `create ${name}: error looking up volume plugin nope: plugin "nope" not found`,
})
const filtered = (filters: Record<string, string[]>) => `filters=${encodeURIComponent(JSON.stringify(filters))}`

const ROWS: Row[] = [
  { line: 'POST /volumes/create', body: { Name: 'a' } },
  { line: 'POST /volumes/create', body: { Name: 'a/b' } },
  { line: 'POST /volumes/create', body: { Name: 'ab', Labels: { x: 'y' }, DriverOpts: {} } },
  { line: 'POST /volumes/create', body: { Name: 'ab', Labels: { x: 'other' } } },
  { line: 'POST /volumes/create', body: { Name: 'ab', Driver: 'nope' }, since28: noPlugin('ab') },
  { line: 'POST /volumes/create', body: { Name: 'cd', Driver: 'local', Labels: null } },
  OPTIONS({ foo: 'bar' }),
  OPTIONS({ type: 'tmpfs' }),
  OPTIONS({ o: 'x' }),
  OPTIONS({ device: '/dev/x' }),
  OPTIONS({ size: '10m' }),
  {
    ...OPTIONS({ size: 'xx' }),
    since28: { status: 400, text: "create opt: invalid size: 'xx'" },
  },
  OPTIONS({ type: 'tmpfs', device: 'tmpfs', o: 'size=1m' }, 'memory'),
  { line: 'GET /volumes/memory' },
  { line: 'GET /volumes/ab' },
  { line: 'GET /volumes/zz' },
  { line: 'DELETE /volumes/zz' },
  { line: 'DELETE /volumes/zz?force=1' },
  { line: 'GET /volumes' },
  { line: `GET /volumes?${filtered({ name: ['a'] })}` },
  { line: `GET /volumes?${filtered({ label: ['x=y'] })}` },
  { line: `GET /volumes?${filtered({ label: ['x=z'] })}` },
  { line: `GET /volumes?${filtered({ driver: ['other'] })}` },
  {
    line: `GET /volumes?${filtered({ until: ['1h'] })}`,
    since28: { status: 400, text: "invalid filter 'until'" },
  },
  {
    line: `GET /volumes?${filtered({ dangling: ['perhaps'] })}`,
    since28: { status: 400, text: "invalid filter 'dangling=[perhaps]'" },
  },
  container({ Binds: ['ab:/x', 'fresh:/y:ro'] }),
  { line: `GET /volumes?${filtered({ dangling: ['true'] })}` },
  { line: `GET /volumes?${filtered({ dangling: ['false'] })}` },
  { line: 'DELETE /volumes/ab' },
  container({ Binds: ['a/b:/x'] }),
  container({ Mounts: [{ Type: 'bind', Target: '/x', Source: '/nowhere' }] }),
  container({ Mounts: [{ Type: 'volume', Target: '/x', ReadOnly: true }] }),
  container({ Mounts: [{ Type: 'npipe', Target: '/x', Source: 'a' }] }),
  container({ Mounts: [{ Type: 'cluster', Target: '/x', Source: 'a' }] }),
  container({ Binds: ['new:/bin/busybox'] }),
  container({ VolumesFrom: [''] }),
  container({ VolumesFrom: ['x:nocopy'] }),
  { line: `POST /volumes/prune?${filtered({ label: ['no'] })}` },
  { line: `POST /volumes/prune?${filtered({ 'label!': ['x'] })}` },
  { line: 'GET /volumes' },
]

test('requests one after the other are answered as by dockerd', async (t) => {
  if (peer === undefined) return t.skip('dockerd is not installed')
  const roots: [string, string] = [`${engine.directory}/data`, `${peer.directory}/data`]
  for (const { line, body, since28 } of ROWS) {
    const versioned = line.replace(' /', ' /v1.41/')
    const what = `${line} ${JSON.stringify(body ?? '')}`
    const ours = await call(engine.socketPath, versioned, { body })
    if (since28 === undefined) {
      const theirs = await call(peer.socketPath, versioned, { body })
      assert.deepEqual([ours.status, even(ours.body, roots[0])], [theirs.status, even(theirs.body, roots[1])], what)
    } else assert.deepEqual([ours.status, ours.text], [since28.status, since28.text], what)
  }
})

/** Without what differs by its nature: where things are, when they were made, ids, the order of lists. */
function even(text: string, root: string): unknown {
  const plain = text
    .replaceAll(root, '<root>')
    .replace(/"CreatedAt":"[^"]*Z"/g, '"CreatedAt":"-"')
    .replace(/[0-9a-f]{64}/g, '<id>')
    .replace(
      /file exists [^"]*(\/bin\/busybox)|source [^"]*(\/bin\/busybox) is/g,
      (_, one = '', two = '') => `at ${one}${two}`,
    )
  const parsed: unknown = plain.startsWith('{') ? JSON.parse(plain) : plain.trim()
  if (typeof parsed !== 'object' || parsed === null) return parsed
  for (const value of Object.values(parsed))
    if (Array.isArray(value)) value.sort((a, b) => (order(a) < order(b) ? -1 : 1))
  if ('Warnings' in parsed) delete parsed.Warnings
  return parsed
}

const order = (value: unknown) => JSON.stringify(value)

test('prune takes anonymous volumes only since 1.42, named ones with all, and tells what it has freed', async () => {
  const create = async (body: object) =>
    JSON.parse((await call(engine.socketPath, 'POST /volumes/create', { body })).body)
  const anonymous = (await create({})) as { Name: string; Labels: object; Mountpoint: string }
  assert.deepEqual(anonymous.Labels, { 'com.docker.volume.anonymous': '' })
  assert.match(anonymous.Name, /^[0-9a-f]{64}$/)
  await create({ Name: 'named', Labels: { keep: 'no' } })
  const prune = async (version: string, filters: Record<string, string[]> = {}) =>
    await call(engine.socketPath, `POST /v${version}/volumes/prune?${filtered(filters)}`)
  assert.deepEqual(JSON.parse((await prune('1.44')).body), { VolumesDeleted: [anonymous.Name], SpaceReclaimed: 0 })
  assert.deepEqual(JSON.parse((await prune('1.44')).body), { VolumesDeleted: [], SpaceReclaimed: 0 })
  const all = (await prune('1.44', { all: ['1'], label: ['keep=no'] })).body
  assert.deepEqual(JSON.parse(all), { VolumesDeleted: ['named'], SpaceReclaimed: 0 })
  const refused = await prune('1.44', { all: ['perhaps'] })
  assert.deepEqual(
    [refused.status, refused.text],
    [400, `invalid filter 'all': strconv.ParseBool: parsing "perhaps": invalid syntax`],
  )
})

test('what only a swarm can do is refused as by an engine without one', async () => {
  const update = await call(engine.socketPath, 'PUT /v1.42/volumes/ab?version=1', { body: {} })
  const text = 'volume update only valid for cluster volumes, but swarm is unavailable'
  assert.deepEqual([update.status, update.text], [503, text])
  const created = await call(engine.socketPath, 'POST /v1.42/volumes/create', { body: { ClusterVolumeSpec: {} } })
  assert.equal(created.status, 503)
  assert.match(created.text, /^This node is not a swarm manager\./)
})
