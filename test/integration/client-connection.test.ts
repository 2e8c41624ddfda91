// How berth reaches an engine and what it draws of its answers, beside docker: TLS, ssh, contexts, progress bars, broken connections.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { type CommandResult, must, run } from '../harness/command.ts'
import { BIN } from '../harness/root.ts'

const PROGRAMS = ['docker', join(BIN, 'berth')] as const
let directory: string
const servers: Server[] = []

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-connection-'))
})

after(async () => {
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
  await rm(directory, { recursive: true, force: true })
})

/** An engine that answers pings and gives everything else to `answer`. */
function engineThat(answer: RequestListener): RequestListener {
  return (request, response) => {
    if (request.url?.endsWith('/_ping')) response.writeHead(200, { 'Api-Version': '1.50', OSType: 'linux' }).end()
    else answer(request, response)
  }
}

async function listen(server: Server, where: string | { port: 0; host: string }): Promise<number> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(where, resolve))
  const address = server.address() as AddressInfo | string
  return typeof address === 'string' ? 0 : address.port
}

async function listenOnSocket(name: string, answer: RequestListener): Promise<string> {
  const path = `${directory}/${name}.sock`
  await listen(createServer(engineThat(answer)), path)
  return `unix://${path}`
}

const list: RequestListener = (_request, response) => response.end('[]')
const EMPTY_LIST = 'CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n'

/** Both programs; standard error with docker's name in place of berth's. */
async function both(args: readonly string[], env: Record<string, string>): Promise<[CommandResult, CommandResult]> {
  const results: CommandResult[] = []
  for (const program of PROGRAMS) {
    const { code, stdout, stderr } = await run([program, ...args], { env })
    results.push({ code, stdout, stderr: stderr.replaceAll('berth', 'docker').replace(/time="[^"]*"/g, 'time') })
  }
  return results as [CommandResult, CommandResult]
}

const MESSAGES = [
  { status: 'Pulling from library/x', id: 'latest' },
  { status: 'Pulling fs layer', progressDetail: {}, id: 'aaaaaaaaaaaa' },
  { status: 'Pulling fs layer', progressDetail: {}, id: 'bbbbbbbbbbbb' },
  { status: 'Waiting', progressDetail: {}, id: 'bbbbbbbbbbbb' },
  { status: 'Downloading', progressDetail: { current: 1, total: 3_000_000 }, id: 'aaaaaaaaaaaa' },
  { status: 'Downloading', progressDetail: { current: 1_234_567, total: 3_000_000 }, id: 'aaaaaaaaaaaa' },
  { status: 'Downloading', progressDetail: { current: 999_999, total: 0 }, id: 'bbbbbbbbbbbb' },
  { status: 'Downloading', progressDetail: { current: 3_000_000, total: 3_000_000 }, id: 'aaaaaaaaaaaa' },
  { status: 'Extracting', progressDetail: { current: 4, units: 's' }, id: 'aaaaaaaaaaaa' },
  { status: 'Extracting', progressDetail: { current: 5, total: 4 }, id: 'bbbbbbbbbbbb' },
  { status: 'Pull complete', progressDetail: {}, id: 'aaaaaaaaaaaa' },
  { status: 'Pull complete', progressDetail: {}, id: 'bbbbbbbbbbbb' },
  { status: 'Digest: sha256:00' },
  { status: 'Status: Downloaded newer image for x:latest' },
]
const pull =
  (messages: readonly object[]): RequestListener =>
  (_request, response) =>
    response.end(messages.map((message) => `${JSON.stringify(message)}\r\n`).join(''))

for (const columns of [60, 100, 140])
  test(`progress on a terminal of ${columns} columns`, async () => {
    const host = await listenOnSocket(`pull-${columns}`, pull(MESSAGES))
    const drawn: string[] = []
    for (const program of PROGRAMS) {
      const line = `stty cols ${columns}; '${program}' pull x`
      const { stdout } = await run(['script', '-qec', line, '/dev/null'], { env: { DOCKER_HOST: host, TERM: 'xterm' } })
      drawn.push(stdout.replaceAll('^@', ''))
    }
    assert.match(drawn[0] ?? '', /Downloading/)
    assert.equal(drawn[1], drawn[0])
  })

test('progress elsewhere, and an error in the middle of it', async () => {
  const host = await listenOnSocket('pull', pull(MESSAGES))
  const [expected, actual] = await both(['pull', 'x'], { DOCKER_HOST: host })
  assert.match(expected.stdout, /aaaaaaaaaaaa: Pull complete/)
  assert.deepEqual(actual, expected)
  const broken = [...MESSAGES.slice(0, 5), { errorDetail: { message: 'unexpected EOF' }, error: 'unexpected EOF' }]
  const failing = await listenOnSocket('pull-error', pull(broken))
  const [wanted, got] = await both(['pull', 'x'], { DOCKER_HOST: failing })
  assert.equal(wanted.code, 1)
  assert.deepEqual(got, wanted)
})

test('errors that are no JSON, are empty, or come with odd status codes', async () => {
  const answers: [string, number, string][] = [
    ['text', 500, 'plain text\n'],
    ['json', 409, '{"message":"a conflict"}\n'],
    ['teapot', 418, '{"message":"short and stout"}'],
  ]
  for (const [name, status, body] of answers) {
    const host = await listenOnSocket(`error-${name}`, (_request, response) =>
      response.writeHead(status, { 'Content-Type': name === 'text' ? 'text/plain' : 'application/json' }).end(body),
    )
    const [expected, actual] = await both(['ps'], { DOCKER_HOST: host })
    assert.deepEqual(actual, expected)
  }
})

test('an engine that goes away while a container runs: exit code 125', async () => {
  const id = 'c'.repeat(64)
  const sockets: { destroy(): void }[] = []
  const server = createServer(
    engineThat((request, response) => {
      if (request.url?.includes('/create')) response.writeHead(201).end(JSON.stringify({ Id: id, Warnings: [] }))
      else if (request.url?.includes('/start')) {
        response.writeHead(204).end()
        setImmediate(() => {
          for (const socket of sockets.splice(0)) socket.destroy()
        })
      } else if (request.url?.includes('/wait')) {
        sockets.push(response)
        response.writeHead(200).flushHeaders()
      }
    }),
  )
  server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n')
    sockets.push(socket)
  })
  await listen(server, `${directory}/gone.sock`)
  const [expected, actual] = await both(['run', 'x'], { DOCKER_HOST: `unix://${directory}/gone.sock` })
  assert.equal(expected.code, 125)
  assert.equal(actual.code, 125)
  assert.match(actual.stderr, /error waiting for container/)
})

test('TLS: a certificate for both sides, given by DOCKER_CERT_PATH or by flags; a stranger is refused', async () => {
  const keys = `${directory}/keys`
  await mkdir(keys)
  const openssl = (line: string) => must(['openssl', ...line.split(' ')], { cwd: keys })
  await openssl('req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca-key.pem -out ca.pem')
  await writeFile(`${keys}/ext`, 'subjectAltName=IP:127.0.0.1\n')
  for (const name of ['server', 'client']) {
    await openssl(`req -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${name}-key.pem -out ${name}.csr`)
    await openssl(
      `x509 -req -in ${name}.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile ext -out ${name}.pem`,
    )
  }
  await must(['sh', '-c', 'cp client.pem cert.pem && cp client-key.pem key.pem'], { cwd: keys })
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'server.pem', 'server-key.pem'].map((name) => readFile(`${keys}/${name}`)),
  )
  const server = createTlsServer(
    { ca, cert, key, requestCert: true, rejectUnauthorized: true } as object,
    engineThat(list),
  )
  const port = await listen(server, { port: 0, host: '127.0.0.1' })
  const host = `tcp://127.0.0.1:${port}`
  const ok = { code: 0, stdout: EMPTY_LIST, stderr: '' }
  for (const env of [{ DOCKER_TLS_VERIFY: '1' }, { DOCKER_TLS: '1' }])
    assert.deepEqual(await both(['ps'], { DOCKER_HOST: host, DOCKER_CERT_PATH: keys, ...env }), [ok, ok])
  const files = ['--tlscacert', `${keys}/ca.pem`, '--tlscert', `${keys}/cert.pem`, '--tlskey', `${keys}/key.pem`]
  assert.deepEqual(await both(['-H', host, '--tlsverify', ...files, 'ps'], {}), [ok, ok])
  await mkdir(`${directory}/other`)
  await must(
    ['openssl', ...'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout k.pem -out ca.pem'.split(' ')],
    {
      cwd: `${directory}/other`,
    },
  )
  for (const { code, stderr } of await both(
    ['-H', host, '--tlsverify', ...files, '--tlscacert', `${directory}/other/ca.pem`, 'ps'],
    {},
  )) {
    assert.equal(code, 1)
    assert.match(stderr, /^(error during connect|Cannot connect)/)
  }
})

test('ssh: the far side connects its standard streams to the engine', { skip: skipWithoutDocker28 }, async () => {
  const host = await listenOnSocket('far', list)
  const bin = `${directory}/bin`
  await mkdir(bin)
  // Stands for ssh and the far machine's shell: what follows `--` and the host's name is run here.
  await writeFile(
    `${bin}/ssh`,
    `#!/bin/sh\necho "$*" >>${directory}/ssh.log\nwhile [ "$1" != -- ]; do shift; done\nshift 2\n[ "$1" = docker ] && shift\nDOCKER_HOST=${host} exec "\${FAR}" "$@"\n`,
  )
  await chmod(`${bin}/ssh`, 0o755)
  for (const far of PROGRAMS) {
    const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, FAR: far, DOCKER_HOST: 'ssh://me@far.example:2222' }
    const results = await both(['ps'], env)
    for (const result of results) assert.deepEqual(result, { code: 0, stdout: EMPTY_LIST, stderr: '' })
  }
  const calls = (await readFile(`${directory}/ssh.log`, 'utf8')).trim().split('\n')
  assert.equal(new Set(calls).size, 1, calls.join('\n'))
})

test('contexts: chosen by flag, environment and config.json', { skip: skipWithoutDocker28 }, async () => {
  const host = await listenOnSocket('context', list)
  const config = `${directory}/config`
  const id = createHash('sha256').update('far').digest('hex')
  await mkdir(`${config}/contexts/meta/${id}`, { recursive: true })
  const meta = { Name: 'far', Metadata: {}, Endpoints: { docker: { Host: host, SkipTLSVerify: false } } }
  await writeFile(`${config}/contexts/meta/${id}/meta.json`, JSON.stringify(meta))
  const env = { DOCKER_CONFIG: config, DOCKER_HOST: '' }
  const ok = { code: 0, stdout: EMPTY_LIST, stderr: '' }
  assert.deepEqual(await both(['--context', 'far', 'ps'], env), [ok, ok])
  assert.deepEqual(await both(['ps'], { ...env, DOCKER_CONTEXT: 'far' }), [ok, ok])
  const [expected, actual] = await both(['--context', 'missing', 'ps'], env)
  assert.deepEqual(actual, expected)
  await writeFile(`${config}/config.json`, '{"currentContext":"far"}')
  assert.deepEqual(await both(['ps'], env), [ok, ok])
  await writeFile(`${config}/config.json`, '{"currentContext":')
  for (const { stderr } of await both(['--context', 'far', 'ps'], env)) assert.match(stderr, /^WARNING: Error .*config/)
})
