// A registry in front of two others: what it fetches, what it keeps, and what it does while they are gone.
import assert from 'node:assert/strict'
import { hashSync } from 'bcryptjs'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
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
