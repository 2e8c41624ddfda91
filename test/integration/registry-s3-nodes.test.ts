// Two processes of berth-registry on one bucket: what clients of either may count on while the other writes, collects, or is killed.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { eventually } from '../harness/command.ts'
import {
  manifestOf,
  pushBlob,
  pushImage,
  putManifest,
  type RegistryProcess,
  type SmallImage,
  startRegistryProcess,
} from '../harness/our-registry.ts'
import { s3OfTests } from '../harness/s3-server.ts'

const { skip, server } = await s3OfTests()

/** The first collects if it is told with how much grace; the second never does. */
async function startNodes({ grace = '', failpoints = '' } = {}) {
  const bucket = `b${randomBytes(8).toString('hex')}`
  const storage = { s3: await server().storage(bucket), delete: { enabled: true } }
  const garbagecollection = { enabled: true, interval: '50ms', grace }
  const first = await startRegistryProcess(
    { storage: grace !== '' ? { ...storage, maintenance: { garbagecollection } } : storage },
    { BERTH_FAILPOINTS: failpoints },
  )
  return { first, second: await startRegistryProcess({ storage }), bucket, storage }
}

async function blobOf({ url }: RegistryProcess, digest: Digest): Promise<Buffer | undefined> {
  const response = await fetch(`${url}/v2/a/blobs/${digest}`)
  const bytes = Buffer.from(await response.arrayBuffer())
  return response.status === 200 ? bytes : undefined
}

async function requireWhole(node: RegistryProcess, image: SmallImage): Promise<void> {
  const manifest = await fetch(`${node.url}/v2/a/manifests/${image.digest}`)
  assert.equal(manifest.status, 200)
  assert.deepEqual(Buffer.from(await manifest.arrayBuffer()), image.bytes)
  for (const blob of image.blobs) assert.deepEqual(await blobOf(node, digestOf(blob)), blob)
}

test('sixty-four writers of one blob over both nodes: one blob, and nothing of the uploads', { skip }, async () => {
  const { first, second, bucket } = await startNodes()
  await using _first = first
  await using _second = second
  const bytes = randomBytes(300_000)
  const digest = digestOf(bytes)
  const nodes = [first, second]
  const write = async (at: number) => {
    const begun = await fetch(`${nodes[at % 2]?.url}/v2/a/blobs/uploads/`, { method: 'POST' })
    const { pathname } = new URL(begun.headers.get('location') ?? '')
    // Each chunk, and the end, at another node than the one before.
    for (const [chunk, start] of [0, 150_000].entries()) {
      const headers = { 'content-range': `${start}-${start + 149_999}` }
      const body = bytes.subarray(start, start + 150_000)
      const url = `${nodes[(at + chunk + 1) % 2]?.url}${pathname}`
      assert.equal((await fetch(url, { method: 'PATCH', headers, body })).status, 202)
    }
    return (await fetch(`${nodes[(at + 1) % 2]?.url}${pathname}?digest=${digest}`, { method: 'PUT' })).status
  }
  const statuses = await Promise.all(Array.from({ length: 64 }, (_, at) => write(at)))
  assert.deepEqual([...new Set(statuses)], [201])
  for (const node of nodes) assert.deepEqual(await blobOf(node, digest), bytes)
  const keys = (await server().keys(bucket)).filter((key) => !key.includes('/.probe-'))
  assert.deepEqual(keys.map((key) => key.replace(/^.*\/(blobs|_layers|_uploads)\/.*$/, '$1')).sort(), [
    '_layers',
    'blobs',
  ])
})

test('a node that collects without grace loses nothing that is pushed to the other', { skip }, async () => {
  const { first, second } = await startNodes({ grace: '0s' })
  await using _first = first
  await using _second = second
  const shared = randomBytes(1000)
  const images = Array.from({ length: 3 }, (_, at) =>
    manifestOf([Buffer.from(`{"at":${at}}`), shared, randomBytes(1000)]),
  )
  const work = async (image: SmallImage) => {
    for (let round = 0; round < 3; round++) {
      await pushPatiently(second, image)
      for (const node of [second, first]) await requireWhole(node, image)
      if (round === 2) return
      const gone = await fetch(`${second.url}/v2/a/manifests/${image.digest}`, { method: 'DELETE' })
      assert.equal(gone.status, 202)
    }
  }
  await Promise.all(images.map(work))
  const stray = await pushBlob(second.url, 'a', Buffer.from('needed by nobody'))
  await eventually('what nobody needs is collected', 60_000, async () => (await blobOf(second, stray)) === undefined)
  for (const node of [first, second]) for (const image of images) await requireWhole(node, image)
})

/** With no grace its blobs may be gone before its manifest comes, and one that is being removed is waited for: a client tries again. */
async function pushPatiently({ url }: RegistryProcess, image: SmallImage): Promise<void> {
  await eventually('the image is pushed', 120_000, async () => {
    for (const blob of image.blobs) {
      const address = `${url}/v2/a/blobs/uploads/?digest=${digestOf(blob)}`
      const { status } = await fetch(address, { method: 'POST', body: Buffer.from(blob) })
      assert.ok(status === 201 || status === 503, `a blob: ${status}`)
      if (status !== 201) return false
    }
    const put = await putManifest(url, 'a', 'latest', image.bytes)
    assert.ok(put.status === 201 || put.status === 503 || put.status === 400, `a manifest: ${put.status}`)
    if (put.status === 400) assert.match(await put.text(), /MANIFEST_BLOB_UNKNOWN/)
    return put.status === 201
  })
}

test('an upload to a node that is killed is gone on with at the other', { skip }, async () => {
  const { first, second } = await startNodes()
  await using _first = first
  await using _second = second
  const bytes = randomBytes(200_000)
  const begun = await fetch(`${first.url}/v2/a/blobs/uploads/`, { method: 'POST' })
  const { pathname } = new URL(begun.headers.get('location') ?? '')
  await fetch(`${first.url}${pathname}`, { method: 'PATCH', body: bytes.subarray(0, 100_000) })
  await first.end('SIGKILL')
  const state = await fetch(`${second.url}${pathname}`)
  assert.equal(state.headers.get('range'), '0-99999')
  const headers = { 'content-range': '100000-199999' }
  const rest = await fetch(`${second.url}${pathname}`, { method: 'PATCH', headers, body: bytes.subarray(100_000) })
  assert.equal(rest.status, 202)
  assert.equal((await fetch(`${second.url}${pathname}?digest=${digestOf(bytes)}`, { method: 'PUT' })).status, 201)
  assert.deepEqual(await blobOf(second, digestOf(bytes)), bytes)
})

test('a collector that stood still while another finished for it takes nothing that came since', { skip }, async () => {
  const { first, second, storage } = await startNodes({ grace: '1s', failpoints: 'collect.claimed=1*pause' })
  await using _first = first
  await using _second = second
  const blob = Buffer.from('needed by nobody')
  const digest = await pushBlob(second.url, 'a', blob)
  const isStopped = () => / T /.test(readFileSync(`/proc/${first.pid()}/stat`, 'utf8'))
  await eventually('the first stands still', 60_000, isStopped)
  const garbagecollection = { enabled: true, interval: '50ms', grace: '1s' }
  const other = await startRegistryProcess({ storage: { ...storage, maintenance: { garbagecollection } } })
  await using _other = other
  await eventually('another has removed the blob', 60_000, async () => (await blobOf(second, digest)) === undefined)
  const image = manifestOf([Buffer.from('{}'), blob])
  await pushPatiently(second, image)
  const rounds = () => first.log().split('msg=collected').length
  const before = rounds()
  process.kill(first.pid() ?? assert.fail(), 'SIGCONT')
  await eventually('the first has ended its round', 60_000, () => rounds() > before)
  for (const node of [first, second]) await requireWhole(node, image)
})

for (const step of ['claimed', 'unlinked', 'removed'])
  test(`what a collecting node that is killed has ${step}, the other takes and gives`, { skip }, async () => {
    const { first, second } = await startNodes({ grace: '5s', failpoints: `collect.${step}=kill` })
    await using _first = first
    await using _second = second
    const blob = Buffer.from('needed by nobody')
    await pushBlob(second.url, 'a', blob)
    await eventually(`it dies at collect.${step}`, 60_000, async () =>
      fetch(`${first.url}/v2/`).then(
        () => false,
        () => true,
      ),
    )
    const image = manifestOf([Buffer.from('{}'), blob])
    // A collector has to finish what another has claimed: this one, once it is back.
    await first.restart()
    await pushPatiently(second, image)
    for (const node of [first, second]) await requireWhole(node, image)
    await pushImage(second.url, 'a', 'again', image)
  })
