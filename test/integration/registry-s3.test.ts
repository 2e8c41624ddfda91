// berth-registry over a bucket: the suite of every store, and two nodes that know nothing of each other.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseConfig } from '../../src/registry/server/config/parse-config.ts'
import { collect } from '../../src/registry/server/gc/collect.ts'
import { openStore } from '../../src/registry/server/open-registry.ts'
import { S3Client } from '../../src/registry/server/storage/s3-client.ts'
import { storeSuite } from '../../src/registry/server/storage/store.suite.ts'
import { eventually, must } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { manifestOf, openTestRegistry, pushBlob, pushImage, putManifest } from '../harness/our-registry.ts'
import { s3OfTests } from '../harness/s3-server.ts'

const { skip, skipCopies, server } = await s3OfTests()

const bucket = () => server().storage(`b${randomBytes(8).toString('hex')}`)

if (skip === false)
  storeSuite('S3', async () => {
    const storage = { s3: await bucket() }
    return openStore(parseConfig(JSON.stringify({ version: 0.1, storage, http: { addr: ':0' } })).storage)
  })

async function twoNodes(more: object = {}) {
  const s3 = { ...(await bucket()), rootdirectory: '/some/where' }
  const storage = { s3, delete: { enabled: true } }
  return [await openTestRegistry({ storage, ...more }), await openTestRegistry({ storage, ...more })] as const
}

test('an upload that one node began is gone on with by another, and finished by the first', { skip }, async () => {
  const [first, second] = await twoNodes()
  await using _first = first
  await using _second = second
  const bytes = randomBytes(3_000_000)
  const begun = await fetch(`${first.url}/v2/a/blobs/uploads/`, { method: 'POST' })
  const { pathname } = new URL(begun.headers.get('location') ?? '')
  for (const [at, node] of [second, first, second].entries()) {
    const headers = { 'content-range': `${at * 1_000_000}-${(at + 1) * 1_000_000 - 1}` }
    const body = bytes.subarray(at * 1_000_000, (at + 1) * 1_000_000)
    assert.equal((await fetch(`${node.url}${pathname}`, { method: 'PATCH', headers, body })).status, 202)
  }
  const put = await fetch(`${first.url}${pathname}?digest=${digestOf(bytes)}`, { method: 'PUT' })
  assert.equal(put.status, 201)
  const got = await fetch(`${second.url}/v2/a/blobs/${digestOf(bytes)}`)
  assert.deepEqual(Buffer.from(await got.arrayBuffer()), bytes)
})

test('bytes that another node’s took the place of are not what is verified', { skip }, async () => {
  const [first, second] = await twoNodes()
  await using _first = first
  await using _second = second
  const [wanted, other] = [randomBytes(1000), randomBytes(1000)]
  const begun = await fetch(`${first.url}/v2/a/blobs/uploads/`, { method: 'POST' })
  const { pathname } = new URL(begun.headers.get('location') ?? '')
  const { store } = first.registry
  const append = store.appendUpload.bind(store)
  let isTaken = false
  store.appendUpload = (name, id, offset, source) => {
    const watched = async function* () {
      for await (const part of source) {
        isTaken = true
        yield part
      }
    }
    return append(name, id, offset, watched())
  }
  const slow = request(`${first.url}${pathname}`, { method: 'PATCH', headers: { 'content-length': 1000 } })
  const answered = once(slow, 'response') as Promise<[IncomingMessage]>
  slow.write(wanted.subarray(0, 500))
  await eventually('the first node has begun', 60_000, () => isTaken)
  const patch = await fetch(`${second.url}${pathname}`, { method: 'PATCH', body: other })
  assert.equal(patch.status, 202)
  slow.end(wanted.subarray(500))
  const [answer] = await answered
  answer.resume()
  assert.equal(answer.statusCode, 416)
  const put = await fetch(`${first.url}${pathname}?digest=${digestOf(wanted)}`, { method: 'PUT' })
  assert.equal(put.status, 400)
  assert.equal((await fetch(`${second.url}/v2/a/blobs/${digestOf(wanted)}`)).status, 404)
  assert.equal((await fetch(`${first.url}${pathname}?digest=${digestOf(other)}`, { method: 'PUT' })).status, 201)
  const got = await fetch(`${second.url}/v2/a/blobs/${digestOf(other)}`)
  assert.deepEqual(Buffer.from(await got.arrayBuffer()), other)
})

test('an upload that is finished is not what another node adds to it meanwhile', { skip }, async () => {
  const [first, second] = await twoNodes()
  await using _first = first
  await using _second = second
  const { store } = first.registry
  const bytes = randomBytes(6 << 20)
  const digest = digestOf(bytes)
  const begun = await fetch(`${first.url}/v2/a/blobs/uploads/`, { method: 'POST' })
  const { pathname } = new URL(begun.headers.get('location') ?? '')
  assert.equal((await fetch(`${first.url}${pathname}`, { method: 'PATCH', body: bytes })).status, 202)
  // Between the verification and the promotion.
  const promote = store.promoteUpload.bind(store)
  store.promoteUpload = async (...promotion) => {
    const more = await fetch(`${second.url}${pathname}`, { method: 'PATCH', body: randomBytes(1000) })
    assert.equal(more.status, 202)
    await promote(...promotion)
  }
  assert.equal((await fetch(`${first.url}${pathname}?digest=${digest}`, { method: 'PUT' })).status, 201)
  const got = await fetch(`${second.url}/v2/a/blobs/${digest}`)
  assert.equal(digestOf(Buffer.from(await got.arrayBuffer())), digest)
})

test('an upload that another node has removed before its promotion becomes no blob', { skip }, async () => {
  const [first, second] = await twoNodes()
  await using _first = first
  await using _second = second
  const { store } = first.registry
  const bytes = randomBytes(1000)
  const begun = await fetch(`${first.url}/v2/a/blobs/uploads/`, { method: 'POST' })
  const { pathname } = new URL(begun.headers.get('location') ?? '')
  assert.equal((await fetch(`${first.url}${pathname}`, { method: 'PATCH', body: bytes })).status, 202)
  const promote = store.promoteUpload.bind(store)
  store.promoteUpload = async (...promotion) => {
    assert.equal((await fetch(`${second.url}${pathname}`, { method: 'DELETE' })).status, 204)
    await promote(...promotion)
  }
  const put = await fetch(`${first.url}${pathname}?digest=${digestOf(bytes)}`, { method: 'PUT' })
  assert.equal(put.status, 404)
  assert.equal((await fetch(`${second.url}/v2/a/blobs/${digestOf(bytes)}`)).status, 404)
})

test('a blob larger than a part is put together inside of the bucket', { skip }, async () => {
  const [node, other] = await twoNodes()
  await using _node = node
  await using _other = other
  const bytes = randomBytes(40 * 1024 * 1024)
  const digest = await pushBlob(node.url, 'large', bytes)
  const range = { range: 'bytes=20000000-20000009' }
  const part = await fetch(`${other.url}/v2/large/blobs/${digest}`, { headers: range })
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(20_000_000, 20_000_010))
  const whole = await fetch(`${other.url}/v2/large/blobs/${digest}`)
  assert.equal(digestOf(Buffer.from(await whole.arrayBuffer())), digest)
})

test('a quota is kept, and can be used up, by writers over two nodes', { skip }, async () => {
  const quotas = [{ repositories: ['small'], bytes: '10k' }]
  const [first, second] = await twoNodes({ policy: { repository: { quotas } } })
  await using _first = first
  await using _second = second
  const push = async (at: number, bytes: Buffer) => {
    const url = `${(at % 2 === 0 ? first : second).url}/v2/small/blobs/uploads/?digest=${digestOf(bytes)}`
    return (await fetch(url, { method: 'POST', body: Buffer.from(bytes) })).status
  }
  const blobs = Array.from({ length: 24 }, () => randomBytes(1024))
  const twice = blobs[0] ?? assert.fail()
  // The first is pushed to both at once, and counts once.
  const statuses = await Promise.all([...blobs, twice].map((blob, at) => push(at === 24 ? 1 : at, blob)))
  const held = blobs.filter((_, at) => statuses[at] === 201)
  assert.deepEqual([...new Set(statuses)].sort(), [201, 403])
  assert.equal(held.length, 10)
  for (const [at, blob] of blobs.entries()) {
    const { status } = await fetch(`${second.url}/v2/small/blobs/${digestOf(blob)}`)
    assert.equal(status, statuses[at] === 201 ? 200 : 404)
  }
  assert.equal(await push(0, held[0] ?? assert.fail()), 201)
})

test('a node that was killed while it held a repository’s lock is waited for, and no longer than its term', {
  skip,
}, async () => {
  const quotas = [{ repositories: ['small'], bytes: '10k' }]
  const [node, other] = await twoNodes({ policy: { repository: { quotas } } })
  await using _node = node
  await using _other = other
  const { store } = other.registry
  // What kill -9 leaves: a holder that does not come back.
  const held = new Promise<void>((resolve) => {
    void store.exclusively('small' as never, () => new Promise(() => resolve()))
  })
  await held
  const bytes = randomBytes(1024)
  const began = performance.now()
  await pushBlob(node.url, 'small', bytes)
  assert.ok(performance.now() - began > 10_000, 'nobody was waited for')
  assert.equal((await fetch(`${node.url}/v2/small/blobs/${digestOf(bytes)}`)).status, 200)
})

test('an immutable tag is made by one of two nodes', { skip }, async () => {
  const immutabletags = [{ tags: ['v*'] }]
  const [first, second] = await twoNodes({ policy: { repository: { immutabletags } } })
  await using _first = first
  await using _second = second
  const images = [manifestOf([Buffer.from('{"n":1}')]), manifestOf([Buffer.from('{"n":2}')])]
  for (const { blobs } of images) for (const blob of blobs) await pushBlob(first.url, 'a', blob)
  const puts = [first, second].map(({ url }, at) => putManifest(url, 'a', 'v1', images[at]!.bytes))
  assert.deepEqual((await Promise.all(puts)).map(({ status }) => status).sort(), [201, 400])
})

test('one node collects while the other is pushed to', { skip }, async () => {
  const [first, second] = await twoNodes()
  await using _first = first
  await using _second = second
  const { store, clock } = second.registry
  const options = { graceMs: 0, deleteUntagged: false, dryRun: false }
  const round = () => collect({ store, clock, log: silentLog }, options)
  const lost = await pushBlob(first.url, 'a', Buffer.from('needed by nobody'))
  await round()
  const image = manifestOf([Buffer.from('{}'), Buffer.from('layer')])
  await pushImage(first.url, 'a', 'latest', image)
  await round()
  await round()
  assert.equal((await fetch(`${first.url}/v2/a/blobs/${lost}`)).status, 404)
  for (const blob of image.blobs) assert.equal((await fetch(`${first.url}/v2/a/blobs/${digestOf(blob)}`)).status, 200)
})

test('skopeo pushes to one node and pulls from the other', { skip }, async () => {
  const [first, second] = await twoNodes()
  await using _first = first
  await using _second = second
  const host = (url: string) => new URL(url).host
  await pushBusybox(host(first.url), 'busybox:1')
  const inspect = (url: string) =>
    must(['skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${host(url)}/busybox:1`])
  assert.equal(await inspect(second.url), await inspect(first.url))
  const catalog = (await (await fetch(`${second.url}/v2/_catalog`)).json()) as { repositories: string[] }
  assert.deepEqual(catalog.repositories, ['busybox'])
})

test('a blob of another registry is given out of the bucket to several clients while it comes', { skip }, async () => {
  const bytes = randomBytes(40 << 20)
  const digest = digestOf(bytes)
  let asked = 0
  let release = (): void => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const upstream = createServer(async (_request, response) => {
    asked++
    response.writeHead(200, { 'content-length': bytes.length })
    response.write(bytes.subarray(0, 36 << 20))
    await released
    response.end(bytes.subarray(36 << 20))
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  try {
    const remoteurl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
    await using node = await openTestRegistry({ storage: { s3: await bucket() }, proxy: { remoteurl } })
    const begin = async () => {
      const [answer] = (await once(request(`${node.url}/v2/a/blobs/${digest}`).end(), 'response')) as [IncomingMessage]
      // Never paused: the S3 server of the tests answers one request after the other.
      const parts: Buffer[] = []
      let size = 0
      answer.on('data', (part: Buffer) => {
        parts.push(part)
        size += part.length
      })
      const ended = once(answer, 'end')
      await eventually('bytes come', 120_000, () => size >= 30 << 20)
      return { parts, ended }
    }
    const clients = await Promise.all([begin(), begin(), begin()])
    release()
    for (const { parts, ended } of clients) {
      await ended
      assert.equal(digestOf(Buffer.concat(parts)), digest)
    }
    assert.equal(asked, 1)
  } finally {
    upstream.closeAllConnections()
    upstream.close()
  }
})

for (const [what, chunks] of [
  ['the one chunk', [1000]],
  ['a large chunk', [6 << 20, 1000]],
] as const)
  test(`${what} of an upload that is another one when the blob is made of it becomes none`, {
    skip: skipCopies,
  }, async () => {
    const storage = await bucket()
    const client = new S3Client({
      ...{
        bucket: String(storage['bucket']),
        region: 'us-east-1',
        endpoint: server().endpoint,
        pathStyle: true,
        prefix: '',
      },
      ...{ accessKey: String(storage['accesskey']), secretKey: String(storage['secretkey']), sessionToken: undefined },
      ...{ storageClass: undefined, encryption: undefined, kmsKey: undefined },
    })
    let isChanged = false
    await using recorded = await record(storage, async ({ headers }) => {
      const source = headers['x-amz-copy-source']
      if (isChanged || typeof source !== 'string') return
      isChanged = true
      const key = decodeURIComponent(source).split('/').slice(2).join('/')
      await client.put(key, randomBytes(chunks[0]))
    })
    await using node = await openTestRegistry({ storage: { s3: recorded.storage } })
    const begun = await fetch(`${node.url}/v2/a/blobs/uploads/`, { method: 'POST' })
    const { pathname } = new URL(begun.headers.get('location') ?? '')
    const bodies = chunks.map((size) => randomBytes(size))
    for (const body of bodies)
      assert.equal((await fetch(`${node.url}${pathname}`, { method: 'PATCH', body: Buffer.from(body) })).status, 202)
    const digest = digestOf(Buffer.concat(bodies))
    const put = await fetch(`${node.url}${pathname}?digest=${digest}`, { method: 'PUT' })
    assert.ok(isChanged)
    assert.equal(put.status, 404, await put.text())
    assert.equal((await fetch(`${node.url}/v2/a/blobs/${digest}`)).status, 404)
    assert.equal(await server().multiparts(String(storage['bucket'])), 0)
  })

/** In front of the S3 server: what it is asked for, and how. */
async function record(
  storage: Record<string, unknown>,
  before: (incoming: IncomingMessage) => Promise<void> = async () => {},
) {
  const seen: { method: string; url: URL; headers: IncomingHttpHeaders }[] = []
  const proxy = createServer(async (incoming, answer) => {
    const { method = '', url = '', headers } = incoming
    await before(incoming)
    seen.push({ method, url: new URL(url, server().endpoint), headers })
    const onward = request(`${server().endpoint}${url}`, { method, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 500, response.headers)
      response.pipe(answer)
    })
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const regionendpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  return {
    ...{ seen, storage: { ...storage, regionendpoint } },
    async [Symbol.asyncDispose]() {
      proxy.closeAllConnections()
      await new Promise((resolve) => proxy.close(resolve))
    },
  }
}

const KMS_KEY = 'arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab'

for (const [what, settings, wanted] of [
  ['nothing', {}, [undefined, undefined]],
  ['a key without encrypt', { keyid: KMS_KEY }, [undefined, undefined]],
  ['encrypt', { encrypt: true }, ['AES256', undefined]],
  ['encrypt and keyid', { encrypt: true, keyid: KMS_KEY }, ['aws:kms', KMS_KEY]],
] as const)
  test(`each object is stored as ${what} says, however it is made`, { skip }, async () => {
    await using recorded = await record(await bucket())
    const storage = { s3: { ...recorded.storage, ...settings, storageclass: 'REDUCED_REDUNDANCY' } }
    await using node = await openTestRegistry({ storage })
    const image = manifestOf([Buffer.from('{}'), randomBytes(100)])
    await pushImage(node.url, 'a', 'latest', image)
    const large = randomBytes(17 << 20) // of two parts
    await pushBlob(node.url, 'a', large)
    const makes = recorded.seen.filter(
      ({ method, url }) =>
        (method === 'PUT' && !url.searchParams.has('partNumber')) ||
        (method === 'POST' && url.searchParams.has('uploads')),
    )
    const kinds = new Set(
      makes.map(({ method, headers }) => `${method}${headers['x-amz-copy-source'] === undefined ? '' : ' copy'}`),
    )
    assert.deepEqual([...kinds].sort(), ['POST', 'PUT', 'PUT copy'])
    const [encryption, key] = ['x-amz-server-side-encryption', 'x-amz-server-side-encryption-aws-kms-key-id']
    for (const { headers, url } of makes)
      assert.deepEqual(
        [headers[encryption], headers[key], headers['x-amz-storage-class']],
        [...wanted, 'REDUCED_REDUNDANCY'],
        url.pathname,
      )
    // S3 refuses them with a part.
    const parts = recorded.seen.filter(({ url }) => url.searchParams.has('partNumber'))
    assert.ok(parts.length >= 2)
    for (const { headers } of parts) assert.equal(headers[encryption], undefined)
    const got = await fetch(`${node.url}/v2/a/blobs/${digestOf(large)}`)
    assert.equal(digestOf(Buffer.from(await got.arrayBuffer())), digestOf(large))
  })
