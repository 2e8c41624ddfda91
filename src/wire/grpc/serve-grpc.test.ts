// What a server may be told: limits, an observer, an owner, and how it ends. That calls are answered at all is grpc.test.ts.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:http2'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { silentLog } from '../../base/log.ts'
import { Content } from '../../gen/services/content_pb.ts'
import { Tasks } from '../../gen/services/tasks_pb.ts'
import { Version } from '../../gen/services/version_pb.ts'
import { Failure } from '../../base/failure.ts'
import { GrpcRouter } from './router.ts'
import { type GrpcServerOptions, serveGrpc } from './serve-grpc.ts'
import { serveGrpcTcp } from './serve-grpc-tcp.ts'
import { createSocketTransport } from './socket-transport.ts'
import { createClient } from './transport.ts'

const directory = mkdtempSync(join(tmpdir(), 'serve-grpc-'))
after(() => rmSync(directory, { recursive: true }))
let count = 0

/** Handlers that a test holds open. */
function openGates() {
  const gates = { work: () => {}, wait: () => {} }
  const gate = (name: 'work' | 'wait') =>
    new Promise<void>((resolve) => {
      gates[name] = resolve
    })
  const begun = { work: 0, wait: 0 }
  const router = new GrpcRouter()
    .service(Version, { version: () => ({ version: 'v'.repeat(5000) }) })
    .service(Content, {
      info: ({ digest }) => {
        throw new Failure('not-found', digest)
      },
      async *read() {
        yield { data: Buffer.alloc(100) }
        yield { data: Buffer.alloc(100) }
      },
    })
    .service(Tasks, {
      async start() {
        begun.work++
        await gate('work')
        return { pid: 7 }
      },
      async wait() {
        begun.wait++
        await gate('wait')
        return {}
      },
    })
  return { router, gates, begun }
}

async function serve(options: GrpcServerOptions = {}) {
  const path = join(directory, `${count++}.sock`)
  const { router, gates, begun } = openGates()
  const server = await serveGrpc(router, path, silentLog, options)
  const transport = createSocketTransport(path)
  const client = <Service extends Parameters<typeof createClient>[0]>(service: Service) =>
    createClient<Service>(service, transport)
  const close = (): Promise<void> => {
    transport.close()
    return server.close(0)
  }
  return { path, server, gates, begun, client, transport, close }
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5000; !condition(); ) {
    assert.ok(Date.now() < deadline)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('a socket is its user’s alone, or its owner’s and the group’s', async () => {
  const own = await serve()
  assert.equal(statSync(own.path).mode & 0o777, 0o600)
  await own.close()
  // Nobody but root may give a file away; of its own groups everybody may choose.
  const { uid, gid } = statSync(directory)
  const shared = await serve({ owner: { uid, gid } })
  assert.equal(statSync(shared.path).mode & 0o777, gid === 0 ? 0o600 : 0o660)
  await shared.close()
})

test('messages beyond the limits are refused in both directions, and others are not', async () => {
  const { client, close } = await serve({ receiveBytesMax: 1000, sendBytesMax: 4000 })
  await assert.rejects(client(Version).version({}), {
    code: 'resource-exhausted',
    message: /^grpc: trying to send message larger than max \(50\d\d vs. 4000\)$/,
  })
  await assert.rejects(client(Content).info({ digest: 'd'.repeat(1001) }), {
    code: 'resource-exhausted',
    message: /^grpc: received message larger than max \(1004 vs. 1000\)$/,
  })
  await assert.rejects(client(Content).info({ digest: 'd'.repeat(900) }), { code: 'not-found' })
  await close()
})

test('the observer hears of every call, its messages and its outcome', async () => {
  const heard: string[] = []
  const { client, close } = await serve({
    observer: {
      begin({ name }) {
        heard.push(`${name} begins`)
        return {
          received: () => heard.push(`${name} received`),
          sent: () => heard.push(`${name} sent`),
          end: (status) => heard.push(`${name} ends with ${status}`),
        }
      },
    },
  })
  await client(Version).version({})
  await client(Content)
    .info({ digest: 'x' })
    .catch(() => {})
  for await (const _ of client(Content).read({})) {
    // only counted
  }
  await until(() => heard.at(-1) === 'Read ends with 0')
  assert.deepEqual(heard, [
    ...['Version begins', 'Version received', 'Version sent', 'Version ends with 0'],
    ...['Info begins', 'Info received', 'Info ends with 5'],
    ...['Read begins', 'Read received', 'Read sent', 'Read sent', 'Read ends with 0'],
  ])
  await close()
})

test('closing lets a call end that works, and does not wait for one that only waits', async () => {
  const { server, client, gates, begun, transport } = await serve({ isWaiting: (path) => path.endsWith('/Wait') })
  const working = client(Tasks).start({ containerId: 'a' })
  const waiting = client(Tasks).wait({ containerId: 'a' })
  const cut = assert.rejects(waiting, { code: 'unavailable' })
  await until(() => begun.work + begun.wait === 2)
  assert.deepEqual(
    server.calls().map(({ path }) => path),
    ['/containerd.services.tasks.v1.Tasks/Start', '/containerd.services.tasks.v1.Tasks/Wait'],
  )
  const closed = server.close(5000)
  gates.work()
  assert.equal((await working).pid, 7)
  await closed
  await cut
  gates.wait()
  transport.close()
})

test('closing cuts what works beyond its time', async () => {
  const { server, client, begun, transport } = await serve()
  const cut = assert.rejects(client(Tasks).start({ containerId: 'a' }), { code: 'unavailable' })
  await until(() => begun.work === 1)
  await server.close(0)
  await cut
  transport.close()
})

test('TCP is answered in the clear where the caller finds that safe', async () => {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  const server = await serveGrpcTcp(openGates().router, { host: '127.0.0.1', port, tls: undefined }, silentLog)
  const session = connect(`http://127.0.0.1:${port}`)
  const status = await new Promise((resolve) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/containerd.services.version.v1.Version/Version',
      'content-type': 'application/grpc',
    })
    stream.on('trailers', (trailers) => resolve(trailers['grpc-status']))
    stream.resume()
    stream.end(Buffer.alloc(5))
  })
  assert.equal(status, '0')
  session.close()
  await server.close(0)
})
