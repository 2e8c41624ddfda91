// What no original client asks for by its command line: health, sandboxes that outlive the daemon, and the limits of a call.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type ClientHttp2Session } from 'node:http2'
import { connect as dial } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { create, fromBinary, type DescMethod, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponseSchema,
} from '../../src/gen/grpc/health_pb.ts'
import { ListContainersResponseSchema, Containers } from '../../src/gen/services/containers_pb.ts'
import {
  Controller,
  ControllerStartResponseSchema,
  ControllerStatusResponseSchema,
  ControllerWaitResponseSchema,
} from '../../src/gen/services/sandbox_pb.ts'
import { eventually } from '../harness/command.ts'
import { BIN } from '../harness/root.ts'

let directory = ''
let daemon: ChildProcess | undefined
let session: ClientHttp2Session | undefined

const socket = () => join(directory, 'c.sock')

async function start(): Promise<void> {
  const output = openSync(join(directory, 'log'), 'a')
  const flags = ['--address', socket(), '--root', join(directory, 'root'), '--state', join(directory, 'state')]
  daemon = spawn(join(BIN, 'berth-containerd'), flags, { stdio: ['ignore', output, output] })
  closeSync(output)
  session = await eventually('our containerd serves', 15_000, async () => {
    const opened = connect('http://localhost', { createConnection: () => dial(socket()), maxSessionMemory: 128 })
    opened.on('error', () => {})
    await once(opened, 'connect')
    return opened
  })
}

async function end(signal: NodeJS.Signals): Promise<void> {
  session?.destroy()
  daemon?.kill(signal)
  if (daemon?.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit')
}

interface Answer {
  status: string
  message: string
  bytes: Uint8Array
}

/** One call in the way of every gRPC client, with Node's own HTTP/2. */
async function call<Method extends DescMethod>(
  method: Method,
  request: MessageInitShape<Method['input']>,
  headers: Record<string, string> = { 'containerd-namespace': 'n' },
): Promise<Answer> {
  assert.ok(session)
  const path = `/${method.parent.typeName}/${method.name}`
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  })
  const message = Buffer.from(toBinary(method.input, create(method.input, request)))
  const frame = Buffer.alloc(5)
  frame.writeUInt32BE(message.length, 1)
  let trailers: Record<string, unknown> = {}
  stream.on('response', (answered) => Object.assign(trailers, answered))
  stream.on('trailers', (told) => {
    trailers = { ...trailers, ...told }
  })
  stream.end(Buffer.concat([frame, message]))
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  const words = decodeURIComponent(String(trailers['grpc-message'] ?? ''))
  return { status: String(trailers['grpc-status']), message: words, bytes: Buffer.concat(chunks).subarray(5) }
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'containerd-services-'))
  await start()
})

after(async () => {
  await call(Controller.method.shutdown, { sandboxId: 'pod', sandboxer: 'shim' }).catch(() => {}) // where a test has failed
  await end('SIGTERM')
  await rm(directory, { recursive: true, force: true })
})

test('only root reaches the socket', () => {
  const { mode, uid } = statSync(socket())
  assert.deepEqual({ mode: mode & 0o777, uid }, { mode: 0o600, uid: 0 })
})

test('health: serving, for the server and for each service that is there', async () => {
  for (const service of ['', Containers.typeName]) {
    const { status, bytes } = await call(Health.method.check, { service })
    assert.equal(status, '0')
    assert.equal(fromBinary(HealthCheckResponseSchema, bytes).status, Status.SERVING)
  }
  const unknown = await call(Health.method.check, { service: 'no.such.Service' })
  assert.deepEqual([unknown.status, unknown.message], ['5', 'unknown service'])
})

test('a call names one namespace', async () => {
  const none = await call(Containers.method.list, {}, {})
  assert.deepEqual([none.status, none.message], ['9', 'namespace is required: failed precondition'])
  const bad = await call(Containers.method.list, {}, { 'containerd-namespace': 'a/b' })
  assert.equal(bad.status, '3')
  assert.match(bad.message, /^namespace validation: identifier "a\/b" must match/)
  const twice = await call(Containers.method.list, {}, { 'containerd-namespace': 'n, n' })
  assert.equal(twice.status, '0')
  assert.deepEqual(fromBinary(ListContainersResponseSchema, twice.bytes).containers, [])
})

test('a message of more than 16 MiB is refused, and the connection lives on', async () => {
  const labels = { big: 'x'.repeat(17 << 20) }
  const { status } = await call(Containers.method.create, { container: { id: 'c', labels } })
  assert.equal(status, '8')
  assert.equal((await call(Health.method.check, {})).status, '0')
})

/** A process that nobody has waited for yet has no command line any more. */
function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === ''
  } catch {
    return true
  }
}

describe('sandboxes', () => {
  const sandbox = { sandboxId: 'pod', sandboxer: 'shim' }
  const bundles = () => readdirSync(join(directory, 'state/io.containerd.sandbox.controller.v1.shim/n'))
  const status = async () =>
    fromBinary(ControllerStatusResponseSchema, (await call(Controller.method.status, sandbox)).bytes)
  const begin = async () => {
    const spec = {
      typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Spec',
      value: Buffer.from('{"ociVersion":"1.1.0"}'),
    }
    const asked = { sandboxId: 'pod', runtime: { name: 'io.containerd.runc.v2' }, spec }
    const made = await call(Controller.method.create, { ...sandbox, sandbox: asked })
    assert.deepEqual([made.status, made.message], ['0', ''])
    const started = await call(Controller.method.start, sandbox)
    assert.equal(started.status, '0', started.message)
    return fromBinary(ControllerStartResponseSchema, started.bytes)
  }

  test('a controller has a name', async () => {
    assert.equal((await call(Controller.method.stop, { sandboxId: 'pod' })).status, '3')
    assert.equal((await call(Controller.method.stop, { sandboxId: 'pod', sandboxer: 'podsandbox' })).status, '5')
  })

  test('one is waited for until it is stopped, and nothing of it stays', async () => {
    const { pid, address } = await begin()
    assert.match(address, /^unix:\/\//)
    assert.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /containerd-shim-berth-v2/)
    assert.equal((await status()).state, 'SANDBOX_READY')
    const again = await call(Controller.method.create, {
      ...sandbox,
      sandbox: { sandboxId: 'pod', runtime: { name: '' } },
    })
    assert.equal(again.status, '6')
    let isOver = false
    const waiting = call(Controller.method.wait, sandbox).finally(() => {
      isOver = true
    })
    await status()
    assert.ok(!isOver)
    assert.equal((await call(Controller.method.stop, sandbox)).status, '0')
    const exit = await waiting
    assert.deepEqual([exit.status, fromBinary(ControllerWaitResponseSchema, exit.bytes).exitStatus], ['0', 0])
    assert.equal((await call(Controller.method.shutdown, sandbox)).status, '0')
    assert.deepEqual(bundles(), [])
    await eventually('its shim has ended', 5_000, () => hasEnded(pid))
    assert.equal((await call(Controller.method.shutdown, sandbox)).status, '5')
  })

  test('one outlives the daemon; one whose shim dies is cleaned up after', async () => {
    const { pid } = await begin()
    await end('SIGKILL')
    await start()
    assert.equal((await status()).pid, pid)
    process.kill(pid, 'SIGKILL')
    await eventually('its bundle is gone', 10_000, () => bundles().length === 0)
    assert.equal((await status()).pid, 0)
    const second = await begin()
    await end('SIGKILL')
    process.kill(second.pid, 'SIGKILL')
    await start()
    assert.deepEqual(bundles(), [])
  })
})
