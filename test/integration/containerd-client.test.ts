// containerd's seam: the original `ctr` drives our daemon, and our client drives it over the socket, across its death.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { silentLog } from '../../src/base/log.ts'
import { type ContainerdClient, connectContainerd, waitForContainerd } from '../../src/containerd/client/client.ts'
import { openContentSink } from '../../src/containerd/client/content-writer.ts'
import { watchTaskEvents } from '../../src/containerd/client/watch-events.ts'
import { packMessage } from '../../src/containerd/client/any.ts'
import { type Containerd, openContainerd } from '../../src/containerd/open-containerd.ts'
import { TaskExitSchema, TaskOOMSchema } from '../../src/gen/events/task_pb.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { type GrpcServer, serveGrpc } from '../../src/wire/grpc/serve-grpc.ts'
import { create } from '@bufbuild/protobuf'

const HELLO = 'hello world'
const HELLO_DIGEST = digestOf(HELLO)
const OTHER_DIGEST = digestOf('other')

const directory = mkdtempSync(join(tmpdir(), 'containerd-'))
const socket = join(directory, 'c.sock')
let containerd: Containerd
let server: GrpcServer
let client: ContainerdClient

async function start(): Promise<void> {
  containerd = await openContainerd({
    root: join(directory, 'root'),
    state: join(directory, 'state'),
    log: silentLog,
    openTasks: undefined,
  })
  server = await serveGrpc(containerd.router, socket, silentLog)
}

async function stop(): Promise<void> {
  await server.close()
  await containerd.close()
}

before(async () => {
  await start()
  client = connectContainerd({ address: socket, namespace: 'test' })
})

after(async () => {
  client.close()
  await stop()
  rmSync(directory, { recursive: true })
})

interface Result {
  code: number
  stdout: string
  stderr: string
}

function ctr(args: string[], input?: string): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile('ctr', ['-a', socket, '-n', 'test', ...args], { timeout: 10_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
    child.stdin?.end(input)
  })
}

async function ctrOk(args: string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await ctr(args, input)
  assert.equal(code, 0, `ctr ${args.join(' ')}: ${stderr}`)
  return stdout
}

test('the socket is ours alone', () => {
  assert.equal(statSync(socket).mode & 0o777, 0o600)
})

test('ctr reads the version and the plugins', async () => {
  assert.match(await ctrOk(['version']), /Server:\n {2}Version: {2}v1\.7\.\d+/)
  assert.match(await ctrOk(['plugins', 'ls']), /io\.containerd\.snapshotter\.v1\s+overlayfs\s+linux\/\w+\s+ok/)
})

test('ctr makes, labels, lists and removes namespaces', async () => {
  await ctrOk(['namespaces', 'create', 'foo', 'a=b'])
  await ctrOk(['namespaces', 'label', 'foo', 'a=c', 'x=y'])
  assert.match(await ctrOk(['namespaces', 'ls']), /foo\s+a=c,x=y/)
  const again = await ctr(['namespaces', 'create', 'foo'])
  assert.match(again.stderr, /namespace "foo": already exists/)
  await ctrOk(['namespaces', 'rm', 'foo'])
  assert.doesNotMatch(await ctrOk(['namespaces', 'ls']), /foo/)
})

test('ctr stores, reads, labels and removes content; a wrong digest leaves no blob', async () => {
  const ingest = (ref: string, digest: string) =>
    ctr(['content', 'ingest', '--expected-digest', digest, '--expected-size', String(HELLO.length), ref], HELLO)
  assert.equal((await ingest('right', HELLO_DIGEST)).code, 0)
  const wrong = await ingest('wrong', OTHER_DIGEST)
  assert.notEqual(wrong.code, 0)
  assert.match(wrong.stderr, new RegExp(`unexpected commit digest ${HELLO_DIGEST}, expected ${OTHER_DIGEST}`))
  assert.equal(await ctrOk(['content', 'get', HELLO_DIGEST]), HELLO)
  await ctrOk(['content', 'label', HELLO_DIGEST, 'k=v'])
  assert.match(await ctrOk(['content', 'ls']), new RegExp(`${HELLO_DIGEST}\\s+11B.*k=v`))
  assert.doesNotMatch(await ctrOk(['content', 'ls']), new RegExp(OTHER_DIGEST))
  await ctrOk(['content', 'rm', HELLO_DIGEST])
  assert.equal(existsSync(join(directory, 'root/content/blobs/sha256', HELLO_DIGEST.slice(7))), false)
})

test('ctr makes leases and snapshots', async () => {
  await ctrOk(['leases', 'create', '--id', 'l1', 'x=y'])
  assert.match(await ctrOk(['leases', 'ls']), /l1 .*x=y/)
  await ctrOk(['leases', 'delete', 'l1'])
  await ctrOk(['snapshots', 'prepare', 'k1'])
  await ctrOk(['snapshots', 'commit', 'c1', 'k1'])
  await ctrOk(['snapshots', 'prepare', 'k2', 'c1'])
  const list = await ctrOk(['snapshots', 'ls'])
  assert.match(list, /c1\s+Committed/)
  assert.match(list, /k2\s+c1\s+Active/)
  assert.match((await ctr(['snapshots', 'rm', 'c1'])).stderr, /failed precondition/)
  await ctrOk(['snapshots', 'rm', 'k2'])
  await ctrOk(['snapshots', 'rm', 'c1'])
})

test('what is not there is said in containerd’s words', async () => {
  assert.match((await ctr(['containers', 'info', 'nope'])).stderr, /container "nope" in namespace "test": not found/)
  assert.match((await ctr(['tasks', 'ls'])).stderr, /unknown service containerd\.services\.tasks\.v1\.Tasks/)
})

test('a call without a namespace is refused', async () => {
  const nobody = connectContainerd({ address: socket, namespace: '' })
  await assert.rejects(nobody.images.list({}), {
    code: 'failed-precondition',
    message: 'namespace is required: failed precondition',
  })
  nobody.close()
})

test('ctr hears what our client publishes', async () => {
  const child = spawn('ctr', ['-a', socket, '-n', 'test', 'events', 'topic~=|^/tasks/|'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let heard = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    heard += text
  })
  try {
    // ctr does not say when it is subscribed: publish until it has heard.
    for (let tries = 0; tries < 100 && !heard.includes('\n'); tries++) {
      const event = packMessage(TaskOOMSchema, create(TaskOOMSchema, { containerId: 'hog' }))
      await client.events.publish({ topic: '/tasks/oom', event })
      await Promise.race([once(child.stdout, 'data'), new Promise((resolve) => setTimeout(resolve, 50))])
    }
    assert.match(heard, /test \/tasks\/oom \{"container_id":"hog"\}/)
  } finally {
    child.kill()
    await once(child, 'close')
  }
})

test('a blob of many messages goes in and out whole, and a second writer of it finds it there', async () => {
  const data = Buffer.alloc(5_000_001, 'abc')
  const descriptor = { mediaType: 'application/octet-stream', digest: digestOf(data), size: data.length }
  await client.leases.create({ id: 'holds-blobs' }) // or the collector takes what nothing names
  const sink = openContentSink(client.withLease('holds-blobs'))
  const source = () =>
    (async function* () {
      for (let at = 0; at < data.length; at += 70_000) yield data.subarray(at, at + 70_000)
    })()
  const { signal } = new AbortController()
  assert.equal(await sink.has(descriptor), false)
  await Promise.all([sink.write(descriptor, source(), signal), sink.write(descriptor, source(), signal)])
  assert.equal(await sink.has(descriptor), true)
  assert.deepEqual(Buffer.from(await sink.read(descriptor, data.length)), data)
  await assert.rejects(sink.read(descriptor, data.length - 1), { code: 'resource-exhausted' })
  assert.deepEqual(readdirSync(join(directory, 'root/content/ingest')).length, 1) // of the wrong digest before
})

test('a source that breaks, or is other than promised, leaves no blob', async () => {
  const descriptor = { mediaType: 'x/y', digest: OTHER_DIGEST, size: 5 }
  const sink = openContentSink(client.withLease('holds-blobs'))
  const { signal } = new AbortController()
  const breaking = (async function* () {
    yield Buffer.from('oth')
    throw new Error('connection reset')
  })()
  await assert.rejects(sink.write(descriptor, breaking, signal), /connection reset/)
  const lying = (async function* () {
    yield Buffer.from('wrong')
  })()
  await assert.rejects(sink.write(descriptor, lying, signal), { code: 'failed-precondition' })
  assert.equal(await sink.has(descriptor), false)
  const honest = (async function* () {
    yield Buffer.from('other')
  })()
  await sink.write(descriptor, honest, signal)
  assert.equal(await sink.has(descriptor), true)
})

test('events and calls find the daemon again after it was away, with all it knew', async () => {
  const stopWatching = new AbortController()
  const heard: string[] = []
  let wake: () => void = () => {}
  const watching = (async () => {
    for await (const event of watchTaskEvents(client, stopWatching.signal)) {
      heard.push(event.topic)
      wake()
    }
  })()
  const until = async (count: number): Promise<void> => {
    while (heard.length < count)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
  }
  const publish = () =>
    client.events.publish({
      topic: '/tasks/oom',
      event: packMessage(TaskOOMSchema, create(TaskOOMSchema, { containerId: 'x' })),
    })
  await until(1)
  await publish()
  await until(2)
  await client.images.create({
    image: { name: 'img', target: { mediaType: 'x/y', digest: OTHER_DIGEST, size: 5n } },
  })
  await stop()
  await assert.rejects(client.images.list({}), { code: 'unavailable' })
  await start()
  await waitForContainerd(client, 5000)
  assert.deepEqual(
    (await client.images.list({})).images.map(({ name }) => name),
    ['img'],
  )
  await until(3)
  await publish()
  await until(4)
  assert.deepEqual(heard, ['subscribed', '/tasks/oom', 'subscribed', '/tasks/oom'])
  stopWatching.abort()
  await watching
})

test('who wants some topics is told of those alone', async () => {
  const stopWatching = new AbortController()
  const watching = watchTaskEvents(client, stopWatching.signal, { topics: ['/tasks/exit', '/tasks/paused'] })
  assert.equal((await watching.next()).value?.topic, 'subscribed')
  const oom = packMessage(TaskOOMSchema, create(TaskOOMSchema, { containerId: 'x' }))
  const exit = packMessage(TaskExitSchema, create(TaskExitSchema, { containerId: 'x' }))
  await client.events.publish({ topic: '/tasks/oom', event: oom })
  await client.events.publish({ topic: '/tasks/exit', event: exit })
  assert.equal((await watching.next()).value?.topic, '/tasks/exit')
  stopWatching.abort()
  await watching.return(undefined)
})

test('deleting an image collects what it alone held, and nothing that a lease holds', async () => {
  const put = async (text: string, labels: Record<string, string> = {}, through = client) => {
    const descriptor = { mediaType: 'x/y', digest: digestOf(text), size: text.length }
    const source = (async function* () {
      yield Buffer.from(text)
    })()
    await openContentSink(through, { labelsOf: () => labels }).write(descriptor, source, new AbortController().signal)
    return descriptor.digest
  }
  await client.leases.create({ id: 'hold' })
  const leased = await put('leased', {}, client.withLease('hold'))
  const layer = await put('layer')
  const manifest = await put(JSON.stringify({ config: null, layers: [{ digest: layer }] }))
  await client.images.create({ image: { name: 'gc', target: { mediaType: 'x/y', digest: manifest, size: 1n } } })
  const digests = async () => {
    const found: string[] = []
    for await (const { info } of client.content.list({})) found.push(...info.map(({ digest }) => digest))
    return found
  }
  await client.leases.create({ id: 'other' })
  await client.leases.delete({ id: 'other', sync: true }) // a collection
  const held = await digests()
  assert.ok([leased, layer, manifest].every((digest) => held.includes(digest)))
  await client.images.delete({ name: 'gc', sync: true })
  const left = await digests()
  assert.deepEqual([left.includes(manifest), left.includes(layer), left.includes(leased)], [false, false, true])
  await client.leases.delete({ id: 'hold', sync: true })
  assert.equal((await digests()).includes(leased), false)
})

test('a second daemon on the same data is refused', async () => {
  await assert.rejects(
    openContainerd({ root: join(directory, 'root'), state: directory, log: silentLog, openTasks: undefined }),
    { code: 'already-exists' },
  )
})

test('the program serves, and ends on SIGTERM with its socket removed', async () => {
  const address = join(directory, 'p.sock')
  const program = fileURLToPath(new URL('../../bin/berth-containerd.js', import.meta.url))
  const args = ['--address', address, '--root', join(directory, 'p-root'), '--state', join(directory, 'p-state')]
  const child = spawn(process.execPath, [program, ...args], { stdio: 'ignore' })
  const own = connectContainerd({ address, namespace: 'test' })
  try {
    await waitForContainerd(own, 10_000)
    assert.deepEqual((await own.tasks.list({})).tasks, [])
    child.kill('SIGTERM')
    const [code] = (await once(child, 'exit')) as [number | null]
    assert.equal(code, 0)
    assert.equal(existsSync(address), false)
  } finally {
    child.kill('SIGKILL')
    own.close()
  }
})
