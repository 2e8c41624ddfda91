import assert from 'node:assert/strict'
import { lstatSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Failure } from '../../base/failure.ts'
import { silentLog } from '../../base/log.ts'
import { Content, WriteAction } from '../../gen/services/content_pb.ts'
import { Images } from '../../gen/services/images_pb.ts'
import { Version } from '../../gen/services/version_pb.ts'
import { createMemoryTransport } from './memory-transport.ts'
import { GrpcRouter } from './router.ts'
import { type GrpcServer, serveGrpc } from './serve-grpc.ts'
import type { ServiceHandlers } from './service.ts'
import { createSocketTransport } from './socket-transport.ts'
import { createClient, type GrpcTransport } from './transport.ts'
import { serveRouter } from '../ttrpc/serve-router.ts'
import { preferTtrpc } from '../ttrpc/unary-transport.ts'

/** Tells a test that a handler has seen its call end. */
let onEnded: () => void = () => {}

const version: ServiceHandlers<typeof Version> = {
  version: (_request, { headers }) => ({ version: headers['x-test'] ?? '', revision: 'é%\n' }),
}

const content: ServiceHandlers<typeof Content> = {
  info: ({ digest }) => {
    if (digest === 'bug') throw new TypeError('a bug')
    throw new Failure('not-found', `content ${digest} 100% ä: not found`)
  },
  update: ({ info }) => ({ info }),
  async *read({ size }, { signal }) {
    for (let at = 0n; at < size; at++) yield { offset: at, data: Buffer.alloc(300_000, Number(at)) }
    if (size === 1n) throw new Failure('out-of-range', 'after one')
    if (size === 2n) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      onEnded()
    }
  },
  async *write(requests) {
    for await (const { ref, data } of requests) {
      yield { action: WriteAction.WRITE, offset: BigInt(data.length), digest: ref }
      if (ref === 'last') return
    }
  },
  abort: (_request, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
}

const router = new GrpcRouter().service(Version, version).service(Content, content)

/** What any way to call a service must do. */
function transportSuite(name: string, open: () => GrpcTransport): void {
  describe(name, () => {
    let transport: GrpcTransport
    before(() => {
      transport = open()
    })
    after(() => transport.close())
    const contentClient = () => createClient(Content, transport)

    test('a call carries request, metadata and response', async () => {
      const client = createClient(Version, transport, { 'x-test': 'a' })
      assert.equal((await client.version({})).version, 'a')
      assert.equal((await client.version({}, { headers: { 'x-test': 'b' } })).version, 'b')
      assert.equal((await client.version({})).revision, 'é%\n')
    })

    test('a failure keeps its code and its words', async () => {
      await assert.rejects(contentClient().info({ digest: 'x' }), {
        name: 'Failure',
        code: 'not-found',
        message: 'content x 100% ä: not found',
      })
      await assert.rejects(contentClient().info({ digest: 'bug' }), { code: 'unknown', message: 'a bug' })
    })

    test('what is not served is unimplemented', async () => {
      await assert.rejects(contentClient().delete({}), {
        code: 'unimplemented',
        message: 'unknown method Delete for service containerd.services.content.v1.Content',
      })
      await assert.rejects(createClient(Images, transport).list({}), {
        code: 'unimplemented',
        message: 'unknown service containerd.services.images.v1.Images',
      })
    })

    test('a stream arrives in order and whole, then its failure', async () => {
      const sizes: number[] = []
      for await (const { offset, data } of contentClient().read({ size: 20n })) {
        assert.equal(data[299_999], Number(offset))
        sizes.push(data.length)
      }
      assert.deepEqual(sizes, Array(20).fill(300_000))
      const failing = async () => {
        for await (const _ of contentClient().read({ size: 1n }));
      }
      await assert.rejects(failing, { code: 'out-of-range', message: 'after one' })
    })

    test('many large calls at once go both ways', { timeout: 30_000 }, async () => {
      const client = contentClient()
      const labels = { large: 'x'.repeat(100_000) }
      const sizes = await Promise.all(
        Array.from(
          { length: 300 },
          async () => (await client.update({ info: { labels } })).info?.labels['large']?.length,
        ),
      )
      assert.deepEqual(new Set(sizes), new Set([100_000]))
    })

    test('cancelling tells the handler', async () => {
      const ended = new Promise<void>((resolve) => {
        onEnded = resolve
      })
      const stop = new AbortController()
      const responses = contentClient().read({ size: 2n }, { signal: stop.signal })[Symbol.asyncIterator]()
      await responses.next()
      await responses.next()
      const waiting = responses.next().catch(() => {})
      stop.abort()
      await Promise.all([ended, waiting])
    })

    test('both ends can talk, and the server may end first', async () => {
      async function* requests() {
        yield { ref: 'a', data: Buffer.alloc(1) }
        yield { ref: 'last', data: Buffer.alloc(2) }
        await new Promise(() => {})
      }
      const seen: string[] = []
      for await (const { digest, offset } of contentClient().write(requests())) seen.push(`${digest}${offset}`)
      assert.deepEqual(seen, ['a1', 'last2'])
    })

    test('a deadline ends a call', async () => {
      await assert.rejects(contentClient().abort({}, { timeoutMs: 20 }), { code: 'deadline-exceeded' })
    })
  })
}

const directory = mkdtempSync(join(tmpdir(), 'grpc-'))
const path = join(directory, 's.sock')
const callsPath = join(directory, 'c.sock')
let server: GrpcServer
let calls: GrpcServer

before(async () => {
  server = await serveGrpc(router, path, silentLog)
  calls = await serveRouter(router, callsPath, silentLog)
})

after(async () => {
  await server.close()
  await calls.close()
  rmSync(directory, { recursive: true })
})

transportSuite('over a socket', () => createSocketTransport(path))
transportSuite('with unary calls by ttrpc', () => preferTtrpc(callsPath, createSocketTransport(path)))
transportSuite('in memory', () => createMemoryTransport(router))

test('a client that is cut off, or talks nonsense, harms nobody', async () => {
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '\0\0\0']) {
    const socket = connect(path)
    socket.on('error', () => {})
    socket.write(bytes)
    await new Promise<void>((resolve) => socket.once('ready', () => resolve()))
    socket.destroy()
  }
  const transport = createSocketTransport(path)
  const dropped = createClient(Content, transport)
    .abort({})
    .catch(() => {})
  transport.close()
  const cut = createSocketTransport(path)
  const controller = new AbortController()
  const cancelled = createClient(Content, cut).abort({}, { signal: controller.signal })
  controller.abort()
  await assert.rejects(cancelled, { code: 'cancelled' })
  assert.equal((await createClient(Version, cut).version({})).revision, 'é%\n')
  cut.close()
  await dropped
})

test('a message larger than the limit, compressed or torn is refused by its status', async () => {
  const call = (body: Buffer) =>
    new Promise<string>((resolve) => {
      const session = connectHttp2('http://localhost', { createConnection: () => connect(path) })
      const headers = { ':method': 'POST', ':path': '/containerd.services.content.v1.Content/Info' }
      const stream = session.request({ ...headers, 'content-type': 'application/grpc', te: 'trailers' })
      stream.on('response', (response) => resolve(String(response['grpc-status'])))
      stream.on('close', () => session.destroy())
      stream.on('error', () => {})
      stream.resume()
      stream.end(body)
    })
  assert.equal(await call(Buffer.from([0, 0x7f, 0xff, 0xff, 0xff])), '8')
  assert.equal(await call(Buffer.from([1, 0, 0, 0, 1, 0])), '12')
  assert.equal(await call(Buffer.from([0, 0, 0, 0, 9, 1])), '13')
  assert.equal(await call(Buffer.from([0, 0, 0, 0, 2, 0x0a, 0x7f])), '13')
})

test('a stale socket is replaced, a living one and anything else is not', async () => {
  await assert.rejects(serveGrpc(router, path, silentLog), { code: 'already-exists' })
  const [first, stale, file] = ['first', 'stale', 'file'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  const killed = await serveGrpc(router, first, silentLog)
  renameSync(first, stale) // its server will not find it to remove it
  await killed.close()
  assert.ok(lstatSync(stale).isSocket())
  await (await serveGrpc(router, stale, silentLog)).close()
  writeFileSync(file, 'precious')
  await assert.rejects(serveGrpc(router, file, silentLog), { code: 'already-exists' })
  assert.equal(readFileSync(file, 'utf8'), 'precious')
})

test('a server that is not there is unavailable, and found when it comes', async () => {
  const late = join(directory, 'late.sock')
  const transport = createSocketTransport(late)
  const client = createClient(Version, transport)
  await assert.rejects(client.version({}), { code: 'unavailable' })
  const own = await serveGrpc(router, late, silentLog)
  assert.equal((await client.version({})).version, '')
  await own.close()
  await assert.rejects(client.version({}), { code: 'unavailable' })
  const again = await serveGrpc(router, late, silentLog)
  assert.equal((await client.version({})).version, '')
  transport.close()
  await again.close()
})

describe('unary calls by ttrpc', () => {
  /** Neither socket is there yet. */
  const pair = () => {
    const place = mkdtempSync(join(directory, 'pair-'))
    return { grpc: join(place, 'g'), ttrpc: join(place, 't') }
  }

  /** A socket that was not there is not asked for at every call. */
  const answered = async <T>(call: () => Promise<T>): Promise<T> => {
    const deadline = Date.now() + 30_000
    for (;;) {
      try {
        return await call()
      } catch (error) {
        if (Date.now() > deadline) throw error
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }

  test('a server without a socket for them answers by gRPC', async () => {
    const transport = preferTtrpc(join(directory, 'nobody'), createSocketTransport(path))
    assert.equal((await createClient(Version, transport).version({})).revision, 'é%\n')
    transport.close()
  })

  test('the socket is used where it is, and found again when its server has come back', async () => {
    const paths = pair()
    const transport = preferTtrpc(paths.ttrpc, createSocketTransport(paths.grpc))
    const client = createClient(Version, transport)
    for (let round = 0; round < 2; round++) {
      await assert.rejects(client.version({}), { code: 'unavailable' })
      const only = await serveRouter(router, paths.ttrpc, silentLog)
      assert.equal((await answered(() => client.version({}))).revision, 'é%\n')
      await only.close()
    }
    const other = await serveGrpc(router, paths.grpc, silentLog)
    assert.equal((await answered(() => client.version({}))).revision, 'é%\n')
    transport.close()
    await other.close()
  })

  test('a call whose server is cut off is unavailable; one under way is given its time, and is told of', async () => {
    const paths = pair()
    const own = await serveRouter(router, paths.ttrpc, silentLog)
    const transport = preferTtrpc(paths.ttrpc, createSocketTransport(paths.grpc))
    const waiting = createClient(Content, transport).abort({})
    const outcome = assert.rejects(waiting, { code: 'unavailable' })
    while (own.calls().length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.deepEqual(
      own.calls().map((call) => call.path),
      ['/containerd.services.content.v1.Content/Abort'],
    )
    await own.close(20)
    await outcome
    assert.equal(lstatSync(paths.ttrpc, { throwIfNoEntry: false }), undefined)
    transport.close()
  })

  test('messages may be as large as by gRPC, and no larger', async () => {
    const transport = preferTtrpc(callsPath, createSocketTransport(path))
    const client = createClient(Content, transport)
    const echo = async (size: number) =>
      (await client.update({ info: { labels: { large: 'x'.repeat(size) } } })).info?.labels['large']?.length
    assert.equal(await echo(15 << 20), 15 << 20)
    await assert.rejects(echo(17 << 20), { code: 'resource-exhausted' })
    assert.equal(await echo(1), 1)
    transport.close()
  })
})
