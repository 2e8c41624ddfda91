// Immutable tags, quotas, notifications, health and metrics, as clients and operators see them.
import assert from 'node:assert/strict'
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

const [ONE, TWO] = [manifestOf([Buffer.from('{"n":1}')]), manifestOf([Buffer.from('{"n":2}')])]

async function codeOf(response: Response): Promise<[number, string]> {
  const body = (await response.json()) as { errors: { code: string }[] }
  return [response.status, body.errors[0]?.code ?? '']
}

test('an immutable tag means one manifest for ever', async () => {
  const immutabletags = [{ repositories: ['release/**'], tags: ['v*'] }]
  await using registry = await openTestRegistry({ policy: { repository: { immutabletags } } })
  const { url } = registry
  for (const image of [ONE, TWO]) for (const blob of image.blobs) await pushBlob(url, 'release/app', blob)
  await pushImage(url, 'release/app', 'v1', ONE)
  await pushImage(url, 'release/app', 'v1', ONE)
  assert.deepEqual(await codeOf(await putManifest(url, 'release/app', 'v1', TWO.bytes)), [400, 'TAG_INVALID'])
  const remove = (reference: string) => fetch(`${url}/v2/release/app/manifests/${reference}`, { method: 'DELETE' })
  assert.deepEqual(await codeOf(await remove('v1')), [400, 'TAG_INVALID'])
  assert.deepEqual(await codeOf(await remove(ONE.digest)), [400, 'TAG_INVALID'])
  assert.equal((await fetch(`${url}/v2/release/app/manifests/v1`)).headers.get('docker-content-digest'), ONE.digest)
  assert.equal((await putManifest(url, 'release/app', 'latest', ONE.bytes)).status, 201)
  assert.equal((await putManifest(url, 'release/app', 'latest', TWO.bytes)).status, 201)
  const puts = [ONE, TWO, ONE, TWO].map((image) => putManifest(url, 'release/app', 'v2', image.bytes))
  const statuses = (await Promise.all(puts)).map(({ status }) => status)
  assert.deepEqual(statuses.sort(), [201, 201, 400, 400])
})

test('a repository with a quota takes no more than fits, also from several clients at once', async () => {
  const quotas = [{ repositories: ['small/*'], bytes: '1k' }]
  await using registry = await openTestRegistry({ policy: { repository: { quotas } } })
  const { url } = registry
  const push = async (name: string, bytes: Buffer) => {
    const at = `${url}/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`
    return fetch(at, { method: 'POST', body: Buffer.from(bytes) })
  }
  assert.equal((await push('small/a', Buffer.alloc(600, 1))).status, 201)
  assert.equal((await push('small/a', Buffer.alloc(600, 1))).status, 201)
  assert.deepEqual(await codeOf(await push('small/a', Buffer.alloc(600, 2))), [403, 'DENIED'])
  assert.equal((await push('small/b', Buffer.alloc(600, 2))).status, 201)
  assert.equal((await push('large', Buffer.alloc(100_000, 2))).status, 201)
  const mount = await fetch(`${url}/v2/small/a/blobs/uploads/?mount=${digestOf(Buffer.alloc(600, 2))}&from=small/b`, {
    method: 'POST',
  })
  assert.deepEqual(await codeOf(mount), [403, 'DENIED'])
  const racing = await Promise.all([3, 4, 5, 6].map((fill) => push('small/c', Buffer.alloc(400, fill))))
  assert.deepEqual(racing.map(({ status }) => status).sort(), [201, 201, 403, 403])
})

test('what happens is told to a webhook, in order, and again until it is taken', async () => {
  const events: { action: string; target: Record<string, unknown>; actor: object }[] = []
  let refusals = 3
  const hook = createServer((request, response) => {
    let body = ''
    request.on('data', (part) => {
      body += part
    })
    request.on('end', () => {
      response.statusCode = refusals > 0 ? 500 : 200
      if (refusals-- <= 0 && request.headers['x-secret'] === 'y') events.push(...JSON.parse(body).events)
      response.end()
    })
  })
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`
    const endpoint = { name: 'hook', url, headers: { 'X-Secret': ['y'] }, threshold: 2, backoff: '10ms' }
    const endpoints = [{ ...endpoint, ignore: { actions: ['mount'] } }]
    await using registry = await openTestRegistry({ notifications: { endpoints } })
    await pushImage(registry.url, 'a', 'latest', ONE)
    const mount = `${registry.url}/v2/b/blobs/uploads/?mount=${digestOf(ONE.blobs[0]!)}&from=a`
    await fetch(mount, { method: 'POST' })
    await (await fetch(`${registry.url}/v2/a/manifests/latest`)).arrayBuffer()
    await (await fetch(`${registry.url}/v2/a/blobs/${digestOf(ONE.blobs[0]!)}`)).arrayBuffer()
    await fetch(`${registry.url}/v2/a/manifests/latest`, { method: 'DELETE' })
    await eventually('five events have come', 30_000, () => events.length >= 5)
    const told = events.map(({ action, target }) => [action, target['repository'], target['tag'], target['digest']])
    assert.deepEqual(told, [
      ['push', 'a', undefined, digestOf(ONE.blobs[0]!)],
      ['push', 'a', 'latest', ONE.digest],
      ['pull', 'a', 'latest', ONE.digest],
      ['pull', 'a', undefined, digestOf(ONE.blobs[0]!)],
      ['delete', 'a', 'latest', undefined],
    ])
    assert.equal(events[1]?.target['url'], `${registry.url}/v2/a/manifests/${ONE.digest}`)
  } finally {
    hook.closeAllConnections()
    hook.close()
  }
})

test('an unhealthy registry answers 503 until it is well again', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-health-'))
  try {
    const file = join(directory, 'down')
    const health = { file: [{ file, interval: '10ms' }], storagedriver: { enabled: true, interval: '10ms' } }
    const http = { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } } }
    await using registry = await openTestRegistry({ health, http })
    const debug = `http://${registry.debugAddress}`
    const statuses = async () => [
      (await fetch(`${registry.url}/v2/`)).status,
      (await fetch(`${debug}/debug/health`)).status,
    ]
    assert.deepEqual(await statuses(), [200, 200])
    writeFileSync(file, '')
    await eventually('it is unwell', 30_000, async () => String(await statuses()) === '503,503')
    assert.deepEqual(await (await fetch(`${debug}/debug/health`)).json(), { [file]: 'file exists' })
    rmSync(file)
    await eventually('it is well again', 30_000, async () => String(await statuses()) === '200,200')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('metrics count requests by endpoint, and only the debug address has them', async () => {
  const http = { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } } }
  await using registry = await openTestRegistry({ http })
  await pushImage(registry.url, 'a', 'latest', ONE)
  await fetch(`${registry.url}/v2/nothing/tags/list`)
  const read = async () => (await fetch(`http://${registry.debugAddress}/metrics`)).text()
  await eventually('all are counted', 30_000, async () =>
    /code="404",handler="tags",method="get"} 1/.test(await read()),
  )
  const text = await read()
  assert.match(text, /registry_http_requests_total\{code="201",handler="uploads",method="post"\} 1/)
  assert.match(text, /registry_http_requests_total\{code="201",handler="manifest",method="put"\} 1/)
  assert.match(text, /registry_http_in_flight_requests 0/)
  assert.match(text, /process_resident_memory_bytes \d+/)
  assert.equal((await fetch(`${registry.url}/metrics`)).status, 404)
})
