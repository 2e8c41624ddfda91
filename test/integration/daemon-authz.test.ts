// Authorization plugins: a real one on a real socket decides about requests of the real CLI.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { call } from '../harness/api.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { type Certificates, makeCertificates } from '../harness/certificates.ts'
import { eventually, must, run } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'
import { BIN } from '../harness/root.ts'

interface Question {
  User?: string
  UserAuthNMethod?: string
  RequestMethod: string
  RequestUri: string
  RequestBody?: string
  RequestHeaders: Record<string, string>
  RequestPeerCertificates?: string[]
  ResponseStatusCode?: number
  ResponseBody?: string
  ResponseHeaders?: Record<string, string>
}
type Verdict = { Allow: boolean; Msg?: string } | undefined

const directory = mkdtempSync(join(tmpdir(), 'daemon-authz-'))
const config = join(directory, 'daemon.json')
const asked: { method: string; question: Question }[] = []
/** Undefined: no answer of the plugin's own, which lets everything pass. */
let judge: (method: string, question: Question) => Verdict = () => undefined
let plugin: Server
let engine: TestEngine
let registry: TestRegistry
let certificates: Certificates
let image: string

before(async () => {
  // Of the test's mount namespace alone.
  mkdirSync('/run/docker/plugins', { recursive: true })
  await must(['mount', '-t', 'tmpfs', 'plugins', '/run/docker/plugins'])
  plugin = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const method = (request.url ?? '').slice(1)
    if (method === 'Plugin.Activate') return void response.end('{"Implements":["authz"]}')
    const question = JSON.parse(body) as Question
    asked.push({ method: method.replace('AuthZPlugin.', ''), question })
    response.end(JSON.stringify(judge(method.replace('AuthZPlugin.', ''), question) ?? { Allow: true }))
  })
  plugin.listen('/run/docker/plugins/gate.sock')
  await once(plugin, 'listening')
  certificates = await makeCertificates(directory)
  const tls = ['ca', 'cert', 'key'].flatMap((name) => [
    `--tls${name}${name === 'ca' ? 'cert' : ''}`,
    join(certificates.server, `${name}.pem`),
  ])
  writeFileSync(config, '{"authorization-plugins":["gate"]}')
  engine = await startEngine({ args: ['--config-file', config, '-H', 'tcp://127.0.0.1:23781', '--tlsverify', ...tls] })
  registry = await startRegistry(`${directory}/registry`)
  image = `${registry.host}/busybox`
  await pushBusybox(registry.host)
  await engine.ok('pull', '-q', image)
})
after(async () => {
  judge = () => undefined
  await engine[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  plugin.close().closeAllConnections()
  await must(['umount', '-l', '/run/docker/plugins'])
  rmSync(directory, { recursive: true, force: true })
})
beforeEach(() => {
  judge = () => undefined
  asked.length = 0
})

const questions = (method: string, uri: RegExp) =>
  asked.filter((each) => each.method === method && uri.test(each.question.RequestUri)).map(({ question }) => question)

test('a plugin hears of request and answer, with their bodies', async () => {
  await engine.ok('create', '--name', 'seen', image, 'true')
  const [request] = questions('AuthZReq', /\/containers\/create\?name=seen$/)
  assert.equal(request?.RequestMethod, 'POST')
  assert.match(request?.RequestUri ?? '', /^\/v1\.\d+\//)
  assert.equal(
    (JSON.parse(Buffer.from(request?.RequestBody ?? '', 'base64').toString()) as { Image: string }).Image,
    image,
  )
  assert.equal(request?.RequestHeaders['Content-Type'], 'application/json')
  const [answer] = questions('AuthZRes', /\/containers\/create/)
  assert.equal(answer?.ResponseStatusCode, 201)
  assert.match(Buffer.from(answer?.ResponseBody ?? '', 'base64').toString(), /^\{"Id":"[0-9a-f]{64}"/)
  assert.equal(answer?.ResponseHeaders?.['Content-Type'], 'application/json')
})

test('a request that it denies has no effect, an answer that it denies is not seen', async () => {
  judge = (method, { RequestUri }) =>
    method === 'AuthZReq' && RequestUri.includes('/containers/create')
      ? { Allow: false, Msg: 'no containers today' }
      : undefined
  const created = await engine.docker(['create', '--name', 'denied', image, 'true'])
  assert.equal(created.code, 1)
  assert.match(
    created.stderr,
    /^Error response from daemon: authorization denied by plugin gate: no containers today$/m,
  )
  assert.equal((await call(engine.socketPath, 'POST /containers/create', { body: { Image: image } })).status, 403)
  judge = (method, { RequestUri }) =>
    method === 'AuthZRes' && RequestUri.includes('/info') ? { Allow: false, Msg: 'secret' } : undefined
  const info = await call(engine.socketPath, 'GET /info')
  assert.deepEqual([info.status, info.body], [403, '{"message":"authorization denied by plugin gate: secret"}\n'])
  judge = () => undefined
  assert.equal(await engine.ok('ps', '-aq', '--filter', 'name=denied'), '')
})

test('downloads whose answers are denied leave nothing behind', async () => {
  await engine.ok('create', '--name', 'kept', image, 'true')
  const line = 'GET /containers/kept/archive?path=/etc'
  judge = (method, { RequestUri }) =>
    method === 'AuthZRes' && RequestUri.includes('/archive') ? { Allow: false, Msg: 'no' } : undefined
  // More than can be under way at once.
  for (let i = 0; i < 18; i++) assert.equal((await call(engine.socketPath, line)).status, 403)
  judge = () => undefined
  assert.equal((await call(engine.socketPath, line)).status, 200)
})

test('streams and hijacked connections pass the gate as well', async () => {
  assert.equal(await engine.ok('run', '--rm', image, 'echo', 'through'), 'through')
  assert.equal(questions('AuthZReq', /\/attach/).length, 1)
  judge = (method, { RequestUri }) =>
    method === 'AuthZReq' && RequestUri.includes('/attach') ? { Allow: false, Msg: 'no' } : undefined
  const denied = await engine.docker(['run', '--rm', image, 'echo', 'through'])
  assert.equal(denied.stdout, '')
  assert.notEqual(denied.code, 0)
  assert.match(denied.stderr, /unable to upgrade to tcp, received 403/)
  const exec = { Cmd: ['echo', 'executed'], AttachStdout: true }
  judge = () => undefined
  await engine.ok('run', '-d', '--name', 'up', image, 'sleep', '1000')
  assert.equal(await engine.ok('exec', 'up', 'echo', 'executed'), 'executed')
  const [start] = questions('AuthZReq', /\/exec\/[0-9a-f]+\/start$/)
  assert.ok(start?.RequestBody !== undefined, 'also where the connection is upgraded')
  judge = (method, { RequestUri }) =>
    method === 'AuthZReq' && RequestUri.endsWith('/exec') ? { Allow: false, Msg: 'no' } : undefined
  assert.equal((await call(engine.socketPath, 'POST /containers/up/exec', { body: exec })).status, 403)
})

test('a body that is too large for the plugin is refused, whatever hides behind its end', async () => {
  const body = JSON.stringify({ Image: image, Labels: { pad: 'x'.repeat(1 << 20) } })
  const post = (...headers: string[]) => {
    const options = [
      '-s',
      '-w',
      ' %{http_code}',
      '--unix-socket',
      engine.socketPath,
      '-H',
      'Content-Type: application/json',
    ]
    return run(['curl', ...options, ...headers, '--data-binary', '@-', 'http://x/containers/create'], { input: body })
  }
  const refusal = '{"message":"request body too large for authorization plugin: size exceeds 1048576 bytes"}\n 500'
  assert.equal((await post()).stdout, refusal)
  assert.equal((await post('-H', 'Transfer-Encoding: chunked')).stdout, refusal)
  assert.equal(asked.length, 0)
})

test('secrets of the client’s stay with the engine; its certificate names the user', async () => {
  const headers = { 'x-registry-auth': 'c2VjcmV0', authorization: 'Basic x', 'x-kept': 'yes' }
  await call(engine.socketPath, 'GET /version', { headers })
  await call(engine.socketPath, 'POST /auth', { body: { username: 'u', password: 'p', serveraddress: registry.host } })
  assert.deepEqual(Object.keys(questions('AuthZReq', /version/)[0]?.RequestHeaders ?? {}), ['X-Kept', 'Connection'])
  const auth = [...questions('AuthZReq', /\/auth$/), ...questions('AuthZRes', /\/auth$/)]
  assert.deepEqual(
    auth.map(({ RequestBody, ResponseBody }) => [RequestBody, ResponseBody]),
    [
      [undefined, undefined],
      [undefined, undefined],
    ],
  )
  const files = ['--cacert', 'ca', '--cert', 'cert', '--key', 'key'].map((word) =>
    word.startsWith('--') ? word : join(certificates.client, `${word}.pem`),
  )
  await must(['curl', '-s', ...files, 'https://127.0.0.1:23781/v1.44/info'])
  const [question] = questions('AuthZReq', /\/v1\.44\/info$/)
  assert.deepEqual([question?.User, question?.UserAuthNMethod], ['common-name', 'TLS'])
  assert.match(
    Buffer.from(question?.RequestPeerCertificates?.[0] ?? '', 'base64').toString(),
    /^-----BEGIN CERTIFICATE-----\n/,
  )
})

test('a reload changes the plugins; one with an unknown plugin changes nothing', async () => {
  judge = () => ({ Allow: false, Msg: 'nothing at all' })
  assert.equal((await call(engine.socketPath, 'GET /_ping')).status, 403)
  writeFileSync(config, '{"authorization-plugins":[]}')
  process.kill(engine.enginePid(), 'SIGHUP')
  await eventually('nobody is asked', 30_000, async () => (await call(engine.socketPath, 'GET /_ping')).status === 200)
  writeFileSync(config, '{"authorization-plugins":["gate"]}')
  process.kill(engine.enginePid(), 'SIGHUP')
  await eventually(
    'it is asked again',
    30_000,
    async () => (await call(engine.socketPath, 'GET /_ping')).status === 403,
  )
})

test('an engine does not start without a plugin that it shall ask', async () => {
  writeFileSync('/run/docker/plugins/not-a-socket.sock', '')
  mkdirSync('/run/docker/plugins/volumes')
  const other = createServer((_request, response) => void response.end('{"Implements":["VolumeDriver"]}'))
  other.listen('/run/docker/plugins/volumes/volumes.sock')
  await once(other, 'listening')
  try {
    const roots = ['--data-root', join(directory, 'd'), '--exec-root', join(directory, 'e'), '-p', join(directory, 'p')]
    const { code, stderr } = await run([
      join(BIN, 'berthd'),
      ...roots,
      '-H',
      `unix://${directory}/s`,
      '--authorization-plugin',
      'volumes',
    ])
    assert.equal(code, 1)
    assert.match(
      stderr,
      /^failed to validate authorization plugin: legacy plugin: Plugin does not implement the requested driver: plugin="volumes", requested implementation="authz"$/m,
    )
  } finally {
    other.close().closeAllConnections()
  }
})
