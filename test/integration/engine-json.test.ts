// What a client may write in a body, and what an API version changes in an answer.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { call } from '../harness/api.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'

let engine: BusyboxEngine
let image: string

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

const api = (line: string, body?: unknown) => call(engine.socketPath, line, body === undefined ? {} : { body })
const get = async (path: string) => JSON.parse((await api(`GET ${path}`)).body) as Record<string, unknown>
const create = (body: unknown, query = '') => api(`POST /containers/create${query}`, body)

test('fields are matched in any case, unknown ones are passed over, null is absent', async () => {
  const made = await create({
    image,
    CMD: 'env',
    env: ['A=b'],
    labels: { Key: 'v' },
    Nonsense: { deep: [1] },
    User: null,
    hostconfig: {
      memory: 64 << 20,
      restartpolicy: { name: 'on-failure', maximumretrycount: 3 },
      Binds: null,
      LogConfig: null,
      Unknown: 1,
    },
    networkingConfig: null,
  })
  assert.equal(made.status, 201, made.text)
  const { Id: id, Warnings: warnings } = JSON.parse(made.body) as { Id: string; Warnings: string[] }
  assert.deepEqual(warnings, [])
  const { Config, HostConfig } = (await get(`/containers/${id}/json`)) as {
    Config: Record<string, unknown>
    HostConfig: Record<string, unknown>
  }
  assert.deepEqual(
    [Config['Image'], Config['Cmd'], Config['Env'], Config['Labels'], Config['User']],
    [image, ['env'], ['A=b'], { Key: 'v' }, ''],
  )
  assert.deepEqual(
    [HostConfig['Memory'], HostConfig['RestartPolicy']],
    [64 << 20, { Name: 'on-failure', MaximumRetryCount: 3 }],
  )
  assert.ok(!('Nonsense' in Config) && !('Unknown' in HostConfig))
  const updated = await api(`POST /containers/${id}/update`, { cpushares: 99, restartPolicy: { name: 'no' } })
  assert.deepEqual(JSON.parse(updated.body), { Warnings: null })
  await engine.ok('rm', id)
})

const REFUSED: [body: unknown, status: number, text: string | RegExp][] = [
  [
    { Image: 1 },
    400,
    'invalid JSON: json: cannot unmarshal number into Go struct field ContainerConfigWrapper.Image of type string',
  ],
  [
    { Image: 'x', HostConfig: { Memory: '64m' } },
    400,
    'invalid JSON: json: cannot unmarshal string into Go struct field ContainerConfigWrapper.HostConfig.Memory of type int64',
  ],
  [
    { Image: 'x', Env: 'A=b' },
    400,
    'invalid JSON: json: cannot unmarshal string into Go struct field ContainerConfigWrapper.Env of type []string',
  ],
  ['{"Image":', 400, /invalid JSON: unexpected EOF/],
  ['{} {}', 400, /unexpected content after JSON/],
  ['[]', 400, /cannot unmarshal array into Go value of type ContainerConfigWrapper/],
  ['null', 400, /config cannot be empty in order to create a container/],
  [{ Image: 'nope:nope' }, 404, 'No such image: nope:nope'],
  [{ Image: 'UPPER' }, 400, /invalid reference format/],
  [{}, 400, /.*/],
]

test('what is refused, and how', async () => {
  for (const [body, status, text] of REFUSED) {
    const answer = await create(body)
    assert.equal(answer.status, status, `${JSON.stringify(body)}: ${answer.text}`)
    if (typeof text === 'string') assert.equal(answer.text, text)
    else assert.match(answer.text, text)
  }
  const refuse = async (HostConfig: object, text: RegExp, status = 400, Config: object = {}) => {
    const answer = await create({ Image: image, Cmd: ['true'], ...Config, HostConfig })
    assert.match(answer.text, text)
    assert.equal(answer.status, status, answer.text)
  }
  await refuse({ Memory: 1 }, /Minimum memory limit allowed is 6MB/)
  await refuse(
    { RestartPolicy: { Name: 'always', MaximumRetryCount: 2 } },
    /maximum retry count can only be used with 'on-failure'/,
  )
  await refuse(
    { AutoRemove: true, RestartPolicy: { Name: 'always' } },
    /can't create 'AutoRemove' container with restart policy/,
  )
  await refuse({ Binds: ['/a:/b:nope'] }, /invalid mode: nope/, 500)
  await refuse({ Binds: ['/a:/b', '/c:/b'] }, /Duplicate mount point: \/b/)
  await refuse({ NetworkMode: 'container:' }, /invalid container format/)
  await refuse({ OomScoreAdj: 5000 }, /range for oom score adj is \[-1000, 1000\]/)
  await refuse({ PortBindings: { '99999/tcp': [{ HostPort: '1' }] } }, /invalid port/i)
  await refuse({ LogConfig: { Type: 'nope' } }, /error looking up logging plugin nope: plugin "nope" not found/)
  await refuse({ Runtime: 'nope' }, /unknown or invalid runtime name: nope/)
  await refuse({}, /cannot be less than 1ms/, 400, { Healthcheck: { Test: ['CMD', 'true'], Interval: 5 } })
  await refuse({}, /EndpointsConfig is nil/, 400, { NetworkingConfig: { EndpointsConfig: { bridge: null } } })
  const aliases = { NetworkingConfig: { EndpointsConfig: { bridge: { Aliases: ['x'] } } } }
  await refuse({}, /network-scoped aliases are only supported for user-defined networks/, 400, aliases)
  const exec = await engine.ok('run', '-d', image, 'sleep', '1000')
  assert.match((await api(`POST /containers/${exec}/exec`, { Cmd: [] })).text, /No exec command specified/)
  assert.match(
    (await api(`POST /containers/${exec}/exec`, { cmd: 5 })).text,
    /cannot unmarshal number into Go struct field ExecOptions\.Cmd/,
  )
  assert.equal((await api(`POST /containers/${exec}/exec`, { cmd: ['true'], attachStdout: true })).status, 201)
  assert.equal((await api('POST /exec/nope/start', {})).status, 404)
  await engine.ok('rm', '-f', exec)
})

test('names: taken, bad, found by prefix, ambiguous', async () => {
  const made = await create({ Image: image }, '?name=first')
  const { Id: id } = JSON.parse(made.body) as { Id: string }
  const taken = await create({ Image: image }, '?name=first')
  assert.equal(taken.status, 409)
  assert.equal(
    taken.text,
    `Conflict. The container name "/first" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
  )
  assert.match(
    (await create({ Image: image }, '?name=a')).text,
    /Invalid container name \(a\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\] are allowed/,
  )
  for (const name of ['first', id, id.slice(0, 5)])
    assert.equal((await get(`/containers/${encodeURIComponent(name)}/json`))['Id'], id)
  assert.equal((await api('GET /containers/nobody/json')).text, 'No such container: nobody')
  await engine.ok('rm', id)
})

test('an API version has its own fields', async () => {
  const id = await engine.ok(
    'run',
    '-d',
    '-p',
    '18099:80',
    '--mac-address',
    '02:42:ac:11:00:99',
    image,
    'sleep',
    '1000',
  )
  const versions = ['1.24', '1.41', '1.44', '1.52'] as const
  const inspected = await Promise.all(versions.map((version) => get(`/v${version}/containers/${id}/json`)))
  const settings = inspected.map(({ NetworkSettings }) => NetworkSettings as Record<string, unknown>)
  assert.deepEqual(
    settings.map((one) => 'IPAddress' in one),
    [true, true, true, false],
  )
  assert.deepEqual(
    inspected.map((one) => 'MacAddress' in (one['Config'] as object)),
    [true, true, true, false],
  )
  assert.deepEqual(
    inspected.map((one) => 'ImageManifestDescriptor' in one),
    [false, false, false, true],
  )
  const lists = await Promise.all(
    versions.map(
      async (version) => JSON.parse((await api(`GET /v${version}/containers/json`)).body) as Record<string, unknown>[],
    ),
  )
  assert.deepEqual(
    lists.map(([one]) => 'Health' in (one ?? {})),
    [false, false, false, true],
  )
  await engine.ok('rm', '-f', id)
})
