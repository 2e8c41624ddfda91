// Where the daemon listens, whom it lets in, and what it tells the service manager: driven by the Docker CLI, curl and systemd's own tools.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { type Certificates, makeCertificates } from '../harness/certificates.ts'
import { eventually, run } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'
import { BIN } from '../harness/root.ts'

const directory = mkdtempSync(join(tmpdir(), 'daemon-sockets-'))
let certificates: Certificates
let registry: TestRegistry

before(async () => {
  certificates = await makeCertificates(directory)
  registry = await startRegistry(join(directory, 'registry'))
  await pushBusybox(registry.host)
})
after(async () => {
  await registry[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
})

const tlsFlags = (where: string) => [
  ...['--tlscacert', join(where, 'ca.pem'), '--tlscert', join(where, 'cert.pem'), '--tlskey', join(where, 'key.pem')],
]
const overTls = (port: number, client: string, args: readonly string[], input?: string) =>
  run(['docker', '-H', `tcp://127.0.0.1:${port}`, '--tlsverify', ...tlsFlags(client), ...args], {
    ...(input === undefined ? {} : { input }),
    env: { DOCKER_CONFIG: join(directory, 'config') },
  })

test('over TLS a client with a certificate gets everything, one without nothing', async () => {
  const args = ['-H', 'tcp://127.0.0.1:23761', '--tlsverify', ...tlsFlags(certificates.server)]
  await using engine = await startEngine({ args })
  await engine.ok('pull', '-q', `${registry.host}/busybox`)
  const image = `${registry.host}/busybox`
  const run1 = await overTls(
    23761,
    certificates.client,
    ['run', '-i', '--rm', image, 'sh', '-c', 'cat; echo done >&2; exit 7'],
    'through TLS\n',
  )
  assert.deepEqual([run1.stdout, run1.stderr, run1.code], ['through TLS\n', 'done\n', 7])

  assert.notEqual((await overTls(23761, certificates.stranger, ['version'])).code, 0)
  const bare = await run([
    'curl',
    '-sS',
    '--cacert',
    join(certificates.server, 'ca.pem'),
    'https://127.0.0.1:23761/_ping',
  ])
  assert.notEqual(bare.code, 0)
  const plain = await run(['curl', '-s', 'http://127.0.0.1:23761/_ping'])
  assert.doesNotMatch(plain.stdout, /OK/)
  assert.equal((await run(['curl', '-s', '--unix-socket', engine.socketPath, 'http://x/_ping'])).stdout, 'OK')
})

test('with --tlsverify=false TLS asks for no certificate', async () => {
  const args = ['-H', 'tcp://127.0.0.1:23762', '--tlsverify=false', ...tlsFlags(certificates.server)]
  await using _engine = await startEngine({ args })
  const curl = ['curl', '-sS', '--cacert', join(certificates.server, 'ca.pem')]
  assert.equal((await run([...curl, 'https://127.0.0.1:23762/_ping'])).stdout, 'OK')
})

test('a daemon that could not be reached safely does not start', async () => {
  const start = (args: readonly string[]) =>
    run([
      join(BIN, 'berthd'),
      '--data-root',
      join(directory, 'd'),
      '--exec-root',
      join(directory, 'e'),
      '-p',
      join(directory, 'p'),
      ...args,
    ])
  const rows: [args: string[], message: RegExp][] = [
    [['-H', 'tcp://127.0.0.1:23763'], /by explicitly specifying '--tls=false' or '--tlsverify=false'/],
    [
      ['--validate', '--tls', '--tlscert', '/nonexistent', '--tlskey', '/nonexistent'],
      /^invalid TLS configuration: could not load X509 key pair \(cert: "\/nonexistent", key: "\/nonexistent"\): open \/nonexistent: no such file or directory$/,
    ],
    [
      [
        '--validate',
        '--tlsverify',
        ...tlsFlags(certificates.server),
        '--tlscacert',
        join(certificates.server, 'key.pem'),
      ],
      /failed to append certificates from PEM file/,
    ],
    [
      ['-H', `unix://${directory}/g.sock`, '--group', 'no-such-group'],
      /failed to load listeners: group no-such-group not found/,
    ],
    [['-H', 'fd://'], /no sockets found via socket activation: make sure the service was started by systemd/],
  ]
  for (const [args, message] of rows) {
    const { code, stderr } = await start(args)
    assert.equal(code, 1, args.join(' '))
    assert.match(stderr.trim().split('\n').at(-1) ?? '', message)
  }
  const valid = await start(['--validate', '--tlsverify', ...tlsFlags(certificates.server)])
  assert.deepEqual([valid.code, valid.stderr], [0, 'configuration OK\n'])
})

test('several addresses, a group that owns the socket, and none of it left afterwards', async () => {
  const second = join(directory, 'second.sock')
  await using engine = await startEngine({
    args: ['-H', `unix://${second}`, '-H', 'tcp://localhost:23764', '--tls=false', '--group', 'daemon'],
  })
  assert.equal((await run(['curl', '-s', 'http://127.0.0.1:23764/_ping'])).stdout, 'OK')
  assert.equal((await run(['curl', '-s', '--unix-socket', second, 'http://x/_ping'])).stdout, 'OK')
  const { mode, gid } = statSync(second)
  assert.deepEqual([mode & 0o777, gid], [0o660, 1])
  const warned = await engine.docker(['info', '--format', '{{json .Warnings}}'])
  assert.match(warned.stdout, /API is accessible on/)
  await engine.stop()
  assert.deepEqual(
    [existsSync(second), existsSync(engine.socketPath), existsSync(join(engine.directory, 'engine.pid'))],
    [false, false, false],
  )
})

/** berthd under systemd-socket-activate, which starts it at the first connection. */
async function activated(
  options: { listen: readonly string[]; flags: readonly string[]; args: readonly string[] },
  work: (root: string) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(directory, 'activated-'))
  const own = ['--data-root', join(root, 'data'), '--exec-root', join(root, 'exec'), '-p', join(root, 'pid')]
  const sockets = options.listen.flatMap((where) => ['-l', where.replace('ROOT', root)])
  const argv = [...sockets, ...options.flags, join(BIN, 'berthd'), ...own, ...options.args]
  const child: ChildProcess = spawn('systemd-socket-activate', argv, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    log += String(chunk)
  })
  const gone = once(child, 'exit')
  try {
    await work(root)
  } catch (error) {
    throw new Error(`${String(error)}\n${log}`, { cause: error })
  } finally {
    child.kill('SIGTERM')
    await gone
  }
}

const ping = (...where: string[]) =>
  eventually(
    `an answer by ${where.join(' ')}`,
    30_000,
    async () => (await run(['curl', '-s', '-m', '20', ...where])).stdout === 'OK',
  )

test('fd:// serves the sockets that systemd has opened, and leaves them where they are', async () => {
  await activated(
    { listen: ['ROOT/a.sock', '127.0.0.1:23765'], flags: [], args: ['-H', 'fd://', '--tls=false'] },
    async (root) => {
      await ping('--unix-socket', `${root}/a.sock`, 'http://x/_ping')
      await ping('http://127.0.0.1:23765/_ping')
      const pid = Number(readFileSync(join(root, 'pid'), 'utf8'))
      process.kill(pid, 'SIGTERM')
      await eventually('the daemon has gone', 30_000, () => !existsSync(join(root, 'pid')))
      assert.ok(existsSync(`${root}/a.sock`), 'the path is systemd’s')
    },
  )
})

test('fd://name serves one of them; over TCP with TLS', async () => {
  const args = ['-H', 'fd://api', '--tlsverify', ...tlsFlags(certificates.server)]
  const flags = ['--fdname=other:api']
  await activated({ listen: ['ROOT/a.sock', '127.0.0.1:23766'], flags, args }, async (root) => {
    const client = ['--cacert', join(certificates.client, 'ca.pem'), '--cert', join(certificates.client, 'cert.pem')]
    await ping(...client, '--key', join(certificates.client, 'key.pem'), 'https://127.0.0.1:23766/_ping')
    assert.notEqual((await run(['curl', '-s', '-m', '5', '--unix-socket', `${root}/a.sock`, 'http://x/_ping'])).code, 0)
  })
})

test('the service manager hears of the start, of reloads and of the end', async () => {
  const path = join(directory, 'notify.sock')
  const script = `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True: print(s.recv(4096).decode().replace("\\n"," "),flush=True)`
  const listener = spawn('python3', ['-c', script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  let heard = ''
  listener.stdout.on('data', (chunk: Buffer) => {
    heard += String(chunk)
  })
  try {
    await eventually('the socket is there', 30_000, () => existsSync(path))
    await using engine: TestEngine = await startEngine({ env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '200000' } })
    await eventually('it is alive', 30_000, () => /^READY=1\n(?:WATCHDOG=1\n)+/.test(heard))
    process.kill(engine.enginePid(), 'SIGHUP')
    await eventually('it has reloaded', 30_000, () =>
      /RELOADING=1 MONOTONIC_USEC=\d+\n(?:WATCHDOG=1\n)*READY=1\n/.test(heard),
    )
    await engine.stop()
    await eventually('it has said goodbye', 30_000, () => /STOPPING=1\n(?:WATCHDOG=1\n)*$/.test(heard))
  } finally {
    listener.kill()
  }
})

test('containers outlive the daemon unless live-restore is off', async () => {
  await using engine = await startEngine()
  const image = `${registry.host}/busybox`
  await engine.ok('pull', '-q', image)
  await engine.ok('run', '-d', '--name', 'stays', image, 'sleep', '1000')
  await engine.stop()
  await engine.start()
  assert.equal(await engine.ok('inspect', '-f', '{{.State.Running}} {{.RestartCount}}', 'stays'), 'true 0')
})

test('with live-restore off, containers are stopped as by stop, and policies bring them back', async () => {
  await using engine = await startEngine({ args: ['--live-restore=false', '--default-stop-timeout', '2'] })
  const image = `${registry.host}/busybox`
  await engine.ok('pull', '-q', image)
  const polite = 'trap "exit 3" TERM; touch /ready; while :; do sleep 0.1; done'
  await engine.ok('run', '-d', '--name', 'polite', image, 'sh', '-c', polite)
  await engine.ok('run', '-d', '--name', 'stubborn', image, 'sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done')
  await engine.ok('run', '-d', '--name', 'comes-back', '--restart', 'unless-stopped', image, 'sleep', '1000')
  await eventually(
    'the trap is set',
    30_000,
    async () => (await engine.docker(['exec', 'polite', 'test', '-e', '/ready'])).code === 0,
  )
  await engine.stop()
  await engine.start()
  const state = (name: string) => engine.ok('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name)
  assert.equal(await state('polite'), 'exited 3')
  assert.equal(await state('stubborn'), 'exited 137')
  await eventually('the policy has brought it back', 30_000, async () => (await state('comes-back')) === 'running 0')
})
