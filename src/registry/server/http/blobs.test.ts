// Blobs over HTTP: every way to push one, ranges, mounts, refusals.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { test } from 'node:test'
import { openTestRegistry, pushBlob } from '../../../../test/harness/our-registry.ts'
import { digestOf } from '../../../oci/digest.ts'

async function begin(url: string, name = 'a/b'): Promise<string> {
  const response = await fetch(`${url}/v2/${name}/blobs/uploads/`, { method: 'POST' })
  assert.equal(response.status, 202)
  assert.equal(response.headers.get('range'), '0-0')
  const location = response.headers.get('location') ?? ''
  assert.ok(location.endsWith(response.headers.get('docker-upload-uuid') ?? 'none'))
  return location
}

async function errorOf(response: Response): Promise<[number, string]> {
  const body = (await response.json()) as { errors: { code: string; message: string }[] }
  assert.equal(typeof body.errors[0]?.message, 'string')
  return [response.status, body.errors[0]?.code ?? '']
}

test('a blob is pushed at once, streamed, or in chunks that say where they belong', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  const bytes = randomBytes(300_000)
  const digest = digestOf(bytes)

  assert.equal(await pushBlob(url, 'at/once', bytes), digest)

  const streamed = await begin(url, 'streamed')
  const patch = await fetch(streamed, { method: 'PATCH', body: bytes })
  assert.deepEqual([patch.status, patch.headers.get('range')], [202, '0-299999'])
  const put = await fetch(`${patch.headers.get('location')}?digest=${digest}`, { method: 'PUT' })
  assert.equal(put.status, 201)
  assert.equal(put.headers.get('docker-content-digest'), digest)
  assert.equal(put.headers.get('location'), `${url}/v2/streamed/blobs/${digest}`)

  const chunked = await begin(url, 'chunked')
  for (const [start, end] of [
    [0, 99_999],
    [100_000, 199_999],
  ] as const) {
    const headers = { 'content-range': `${start}-${end}` }
    const chunk = await fetch(chunked, { method: 'PATCH', headers, body: bytes.subarray(start, end + 1) })
    assert.deepEqual([chunk.status, chunk.headers.get('range')], [202, `0-${end}`])
  }
  const headers = { 'content-range': '200000-299999' }
  const last = await fetch(`${chunked}?digest=${digest}`, { method: 'PUT', headers, body: bytes.subarray(200_000) })
  assert.equal(last.status, 201)

  for (const name of ['at/once', 'streamed', 'chunked']) {
    const response = await fetch(`${url}/v2/${name}/blobs/${digest}`)
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes)
    assert.equal((await fetch(chunked)).status, 404)
  }
})

test('a chunk out of order is refused with where to go on, and a lost client asks', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  const location = await begin(url)
  const send = (range: string, body: Buffer) =>
    fetch(location, { method: 'PATCH', headers: { 'content-range': range }, body: Buffer.from(body) })
  assert.equal((await send('0-9', Buffer.alloc(10))).status, 202)
  for (const range of ['0-9', '20-29', '9-18']) {
    const response = await send(range, Buffer.alloc(10))
    assert.deepEqual([response.status, response.headers.get('range')], [416, '0-9'])
  }
  assert.deepEqual(await errorOf(await send('x-9', Buffer.alloc(10))), [416, 'RANGE_INVALID'])
  assert.deepEqual(await errorOf(await send('10-19', Buffer.alloc(9))), [400, 'SIZE_INVALID'])
  const state = await fetch(location)
  assert.deepEqual([state.status, state.headers.get('range')], [204, '0-9'])
  assert.equal((await send('10-19', Buffer.alloc(10))).status, 202)
})

test('a wrong digest is refused, and the right one accepted after', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  const location = await begin(url)
  await fetch(location, { method: 'PATCH', body: 'hello' })
  const put = (digest: string) => fetch(`${location}?digest=${digest}`, { method: 'PUT' })
  assert.deepEqual(await errorOf(await put(digestOf('other'))), [400, 'DIGEST_INVALID'])
  assert.deepEqual(await errorOf(await put('sha256:12')), [400, 'DIGEST_INVALID'])
  assert.deepEqual(await errorOf(await fetch(location, { method: 'PUT' })), [400, 'DIGEST_INVALID'])
  assert.equal((await put(digestOf('hello', 'sha512'))).status, 201)
  const at = `${url}/v2/a/b/blobs/uploads/?digest=${digestOf('x')}`
  assert.deepEqual(await errorOf(await fetch(at, { method: 'POST', body: 'y' })), [400, 'DIGEST_INVALID'])
})

test('an upload can be cancelled', async () => {
  await using registry = await openTestRegistry()
  const location = await begin(registry.url)
  assert.equal((await fetch(location, { method: 'DELETE' })).status, 204)
  assert.deepEqual(await errorOf(await fetch(location, { method: 'DELETE' })), [404, 'BLOB_UPLOAD_UNKNOWN'])
  assert.deepEqual(await errorOf(await fetch(location)), [404, 'BLOB_UPLOAD_UNKNOWN'])
  const strange = `${registry.url}/v2/a/b/blobs/uploads/..%2f..%2fetc`
  assert.equal((await fetch(strange)).status, 404)
})

test('a blob is mounted from where it is, and uploaded where it is not', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  const digest = await pushBlob(url, 'from', Buffer.from('content'))
  const mount = (from: string) => fetch(`${url}/v2/to/blobs/uploads/?mount=${digest}&from=${from}`, { method: 'POST' })
  assert.equal((await fetch(`${url}/v2/to/blobs/${digest}`)).status, 404)
  for (const absent of ['nowhere', '../from', '']) assert.equal((await mount(absent)).status, 202, absent)
  assert.equal((await fetch(`${url}/v2/to/blobs/${digest}`)).status, 404)
  assert.equal((await mount('from')).status, 201)
  assert.equal(await (await fetch(`${url}/v2/to/blobs/${digest}`)).text(), 'content')
  const anywhere = (wanted: string) => fetch(`${url}/v2/third/blobs/uploads/?mount=${wanted}`, { method: 'POST' })
  assert.equal((await anywhere(digest)).status, 201)
  assert.equal((await anywhere(digestOf('nowhere'))).status, 202)
})

test('parts of a blob are given by range', async () => {
  await using registry = await openTestRegistry()
  const digest = await pushBlob(registry.url, 'a', Buffer.from('0123456789'))
  const get = (range: string) => fetch(`${registry.url}/v2/a/blobs/${digest}`, { headers: { range } })
  for (const [range, body, contentRange] of [
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=3-5', '345', 'bytes 3-5/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=8-100', '89', 'bytes 8-9/10'],
    ['bytes=-4', '6789', 'bytes 6-9/10'],
  ] as const) {
    const response = await get(range)
    assert.deepEqual([response.status, response.headers.get('content-range')], [206, contentRange], range)
    assert.equal(await response.text(), body)
  }
  for (const range of ['lines=1-2', 'bytes=0-1,3-4', 'bytes=-']) assert.equal((await get(range)).status, 200, range)
  assert.equal((await get('bytes=5-3')).status, 416)
  const beyond = await get('bytes=10-')
  assert.deepEqual([beyond.status, beyond.headers.get('content-range')], [416, 'bytes */10'])
  const cached = await fetch(`${registry.url}/v2/a/blobs/${digest}`, { headers: { 'if-none-match': `"${digest}"` } })
  assert.equal(cached.status, 304)
})

test('HEAD tells length and digest, and DELETE takes the blob out of one repository', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  const digest = await pushBlob(url, 'a', Buffer.from('content'))
  await pushBlob(url, 'b', Buffer.from('content'))
  const head = await fetch(`${url}/v2/a/blobs/${digest}`, { method: 'HEAD' })
  assert.deepEqual(
    [head.status, head.headers.get('content-length'), head.headers.get('docker-content-digest')],
    [200, '7', digest],
  )
  assert.equal((await fetch(`${url}/v2/a/blobs/${digest}`, { method: 'DELETE' })).status, 202)
  assert.deepEqual(await errorOf(await fetch(`${url}/v2/a/blobs/${digest}`, { method: 'DELETE' })), [
    404,
    'BLOB_UNKNOWN',
  ])
  assert.equal((await fetch(`${url}/v2/b/blobs/${digest}`)).status, 200)
})

test('names that are none are refused, and nothing is made of them', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  for (const name of ['UPPER', '_catalog2', 'a//b', '.hidden', '-a', 'a/_layers', `${'a'.repeat(256)}`, 'a%00b']) {
    const response = await fetch(`${url}/v2/${name}/blobs/uploads/`, { method: 'POST' })
    assert.deepEqual(await errorOf(response), [400, 'NAME_INVALID'], name)
  }
  assert.deepEqual(await registry.registry.store.listAllRepositories(), [])
})

test('a path with dots leads nowhere outside of the API', async () => {
  await using registry = await openTestRegistry()
  const status = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(new URL(registry.url).port), '127.0.0.1')
    socket.on('error', reject)
    socket.once('data', (data) => resolve(data.toString().split('\r\n')[0] ?? ''))
    socket.write('GET /v2/../../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  })
  assert.equal(status, 'HTTP/1.1 404 Not Found')
})

test('deletes and writes can be switched off', async () => {
  await using fixed = await openTestRegistry({ storage: { inmemory: {} } })
  const digest = await pushBlob(fixed.url, 'a', Buffer.from('x'))
  const refused = await fetch(`${fixed.url}/v2/a/blobs/${digest}`, { method: 'DELETE' })
  assert.deepEqual(await errorOf(refused), [405, 'UNSUPPORTED'])

  const readonly = { inmemory: {}, maintenance: { readonly: { enabled: true } } }
  await using closed = await openTestRegistry({ storage: readonly })
  const push = await fetch(`${closed.url}/v2/a/blobs/uploads/`, { method: 'POST' })
  assert.deepEqual(await errorOf(push), [405, 'UNSUPPORTED'])
  assert.equal((await fetch(`${closed.url}/v2/`)).status, 200)
})
