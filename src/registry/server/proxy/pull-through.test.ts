// A registry in front of two others: what it fetches, what it keeps, and what it does while they are gone.
import assert from 'node:assert/strict'
import { hashSync } from 'bcryptjs'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../../../../test/harness/command.ts'
import {
  manifestOf,
  openTestRegistry,
  pushBlob,
  pushImage,
  putManifest,
} from '../../../../test/harness/our-registry.ts'
import { digestOf } from '../../../oci/digest.ts'

const ONE = manifestOf([Buffer.from('{"n":1}'), Buffer.alloc(300_000, 1)])
const TWO = manifestOf([Buffer.from('{"n":2}'), Buffer.alloc(300_000, 2)])

async function openProxy(upstreams: readonly object[]) {
  return openTestRegistry({ proxy: { upstreams } })
}

test('an image of each of two registries comes through, and stays when they are gone', async () => {
  const [first, second] = [await openTestRegistry(), await openTestRegistry()]
  await pushImage(first.url, 'library/a', 'latest', ONE)
  await pushImage(second.url, 'library/a', 'latest', TWO)
  await using proxy = await openProxy([
    { name: 'first', remoteurl: first.url },
    { name: 'second.example', remoteurl: second.url },
  ])
  const check = async (name: string, image: typeof ONE) => {
    const got = await fetch(`${proxy.url}/v2/${name}/library/a/manifests/latest`)
    assert.equal(got.headers.get('docker-content-digest'), image.digest)
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), image.bytes)
    for (const blob of image.blobs) {
      const address = `${proxy.url}/v2/${name}/library/a/blobs/${digestOf(blob)}`
      const head = await fetch(address, { method: 'HEAD' })
      assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(blob.length)])
      const many = await Promise.all([1, 2, 3].map(async () => (await fetch(address)).arrayBuffer()))
      for (const each of many) assert.deepEqual(Buffer.from(each), blob)
    }
  }
  await check('first', ONE)
  await check('second.example', TWO)
  const mirrored = await fetch(`${proxy.url}/v2/library/a/manifests/latest?ns=second.example`)
  assert.equal(mirrored.headers.get('docker-content-digest'), TWO.digest)
  assert.equal(mirrored.headers.get('oci-namespace'), 'second.example')
  assert.equal((await fetch(`${proxy.url}/v2/library/a/manifests/latest?ns=third`)).status, 404)
  await first.close()
  await second.close()
  await check('first', ONE)
  await check('second.example', TWO)
  const unknown = await fetch(`${proxy.url}/v2/first/library/a/manifests/other`)
  assert.equal(unknown.status, 503)
  const own = await fetch(`${proxy.url}/v2/own/manifests/other`)
  assert.equal(own.status, 404)
})

test('a tag that has moved there moves here, and one that is gone there is not given out', async () => {
  await using upstream = await openTestRegistry()
  await pushImage(upstream.url, 'a', 'latest', ONE)
  await using proxy = await openTestRegistry({ proxy: { remoteurl: upstream.url } })
  const digest = async () => (await fetch(`${proxy.url}/v2/a/manifests/latest`)).headers.get('docker-content-digest')
  assert.equal(await digest(), ONE.digest)
  await pushImage(upstream.url, 'a', 'latest', TWO)
  assert.equal(await digest(), TWO.digest)
  assert.equal((await fetch(`${proxy.url}/v2/a/manifests/${ONE.digest}`)).status, 200)
  await fetch(`${upstream.url}/v2/a/manifests/latest`, { method: 'DELETE' })
  assert.equal((await fetch(`${proxy.url}/v2/a/manifests/latest`)).status, 404)
})

test('pushes to what is another’s are refused; its own repositories take them', async () => {
  await using upstream = await openTestRegistry()
  await using proxy = await openProxy([{ name: 'other', remoteurl: upstream.url }])
  const push = (name: string) => fetch(`${proxy.url}/v2/${name}/blobs/uploads/`, { method: 'POST' })
  assert.equal((await push('other/a')).status, 405)
  assert.equal((await putManifest(proxy.url, 'other/a', 'x', ONE.bytes)).status, 405)
  await pushBlob(proxy.url, 'own', Buffer.from('x'))
})

test('credentials are shown to the registry and its token service', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-proxy-'))
  try {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(join(directory, 'key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(join(directory, 'htpasswd'), `me:${hashSync('secret', 4)}\n`)
    const service = { issuer: 'i', service: 's', key: join(directory, 'key'), htpasswd: join(directory, 'htpasswd') }
    const access = [{ users: ['me'], repositories: ['**'], actions: ['pull'] }]
    await using upstream = await openTestRegistry({ auth: { token: {} }, tokenservice: { ...service, access } })
    const { store } = upstream.registry
    await store.writeBlob(ONE.digest, ONE.bytes)
    await store.linkManifest('a' as never, ONE.digest)
    const get = async (more: object) => {
      await using proxy = await openTestRegistry({ proxy: { remoteurl: upstream.url, ...more } })
      return (await fetch(`${proxy.url}/v2/a/manifests/${ONE.digest}`)).status
    }
    assert.equal(await get({ username: 'me', password: 'secret' }), 200)
    assert.equal(await get({ username: 'me', password: 'wrong' }), 403)
    assert.equal(await get({}), 403)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('what has another digest than it should is not kept and not given out', async () => {
  const server = createServer((_request, response) => response.end('something else'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const remoteurl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await using proxy = await openTestRegistry({ proxy: { remoteurl } })
    for (const path of [`manifests/${ONE.digest}`, `blobs/${ONE.digest}`])
      assert.equal((await fetch(`${proxy.url}/v2/a/${path}`)).status, 503, path)
    assert.equal(await proxy.registry.store.statBlob(ONE.digest), undefined)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

/** A registry that sends a blob in two halves, the second when it is told to. */
async function serveInHalves(announced: Buffer, sent = announced) {
  const requests: string[] = []
  let release = (): void => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let isCut = false
  const server = createServer(async (request, response) => {
    requests.push(`${request.method} ${request.url}`)
    response.writeHead(200, { 'content-length': sent.length })
    response.write(sent.subarray(0, sent.length / 2))
    await released
    if (isCut && requests.length === 1) response.destroy()
    else response.end(sent.subarray(sent.length / 2))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const remoteurl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    ...{ requests, remoteurl, release, digest: digestOf(announced) },
    cut() {
      isCut = true
      release()
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** The first bytes of an answer that is not at its end, and how to get the rest. */
async function beginGet(url: string, wanted: number, headers: Record<string, string> = {}) {
  const response = await fetch(url, { headers })
  assert.ok(response.status === 200 || response.status === 206, String(response.status))
  const reader = (response.body ?? assert.fail('no body')).getReader()
  const parts: Uint8Array[] = []
  const size = () => parts.reduce((sum, { length }) => sum + length, 0)
  const read = async (): Promise<boolean> => {
    const { value, done } = await reader.read()
    if (value !== undefined) parts.push(value)
    return !done
  }
  while (size() < wanted && (await read()));
  return {
    size,
    async rest(): Promise<Buffer> {
      while (await read());
      return Buffer.concat(parts)
    },
  }
}

const LARGE = randomBytes(4_000_000)
const EARLY = 1_500_000

for (const [kind, storage] of [
  ['memory', () => ({ inmemory: {} })],
  ['a directory', (root: string) => ({ filesystem: { rootdirectory: root } })],
] as const)
  test(`clients of one blob share its one transfer while it goes on, over ${kind}`, async () => {
    const root = mkdtempSync(join(tmpdir(), 'berth-proxy-'))
    try {
      await using upstream = await serveInHalves(LARGE)
      await using proxy = await openTestRegistry({
        storage: storage(root),
        proxy: { remoteurl: upstream.remoteurl },
      })
      const url = `${proxy.url}/v2/a/blobs/${upstream.digest}`
      const clients = await Promise.all([1, 2, 3, 4].map(() => beginGet(url, EARLY)))
      // In the middle, and of what does not come before the end.
      const middle = await beginGet(url, 1, { range: 'bytes=1000000-1000009' })
      const end = fetch(url, { headers: { range: 'bytes=-10' } })
      assert.deepEqual(await middle.rest(), LARGE.subarray(1_000_000, 1_000_010))
      assert.ok(clients.every((client) => client.size() >= EARLY && client.size() <= LARGE.length / 2))
      upstream.release()
      for (const client of clients) assert.deepEqual(await client.rest(), LARGE)
      assert.deepEqual(Buffer.from(await (await end).arrayBuffer()), LARGE.subarray(-10))
      const later = await fetch(url)
      assert.deepEqual(Buffer.from(await later.arrayBuffer()), LARGE)
      assert.deepEqual(upstream.requests, [`GET /v2/a/blobs/${upstream.digest}`])
      assert.equal(proxy.registry.transfers.size, 0)
    } finally {
      rmSync(root, { recursive: true })
    }
  })

test('a blob that turns out to be another is cut off before its end, for everyone, and not kept', async () => {
  const wrong = Buffer.from(LARGE)
  wrong[10] = (wrong[10] ?? 0) ^ 1
  await using upstream = await serveInHalves(LARGE, wrong)
  await using proxy = await openTestRegistry({ proxy: { remoteurl: upstream.remoteurl } })
  const url = `${proxy.url}/v2/a/blobs/${upstream.digest}`
  const clients = await Promise.all([1, 2].map(() => beginGet(url, EARLY)))
  upstream.release()
  for (const client of clients) {
    await assert.rejects(client.rest(), /terminated|aborted|other side closed/)
    assert.ok(client.size() < LARGE.length)
  }
  assert.equal(await proxy.registry.store.statBlob(upstream.digest), undefined)
  assert.deepEqual(await proxy.registry.store.listRepositories(), [])
})

test('where the other registry breaks off, its clients see that, and the next one begins anew', async () => {
  await using upstream = await serveInHalves(LARGE)
  await using proxy = await openTestRegistry({ proxy: { remoteurl: upstream.remoteurl } })
  const url = `${proxy.url}/v2/a/blobs/${upstream.digest}`
  const client = await beginGet(url, EARLY)
  upstream.cut()
  await assert.rejects(client.rest(), /terminated|aborted|other side closed/)
  const next = await fetch(url)
  assert.deepEqual(Buffer.from(await next.arrayBuffer()), LARGE)
  assert.equal(upstream.requests.length, 2)
})

test('a blob comes here whole although the client that asked for it has gone', async () => {
  await using upstream = await serveInHalves(LARGE)
  await using proxy = await openTestRegistry({ proxy: { remoteurl: upstream.remoteurl } })
  const url = `${proxy.url}/v2/a/blobs/${upstream.digest}`
  const stop = new AbortController()
  const response = await fetch(url, { signal: stop.signal })
  await response.body?.getReader().read()
  stop.abort()
  upstream.release()
  await eventually('the transfer is over', 30_000, () => proxy.registry.transfers.size === 0)
  assert.equal(await proxy.registry.store.statBlob(upstream.digest), LARGE.length)
})
