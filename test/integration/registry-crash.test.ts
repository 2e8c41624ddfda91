// kill -9 of berth-registry at every step of a push and of a collection: what was acknowledged is there after, nothing half is seen, and the
// same push goes through.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { FAILPOINTS } from '../../src/registry/server/failpoints.ts'
import { eventually } from '../harness/command.ts'
import {
  manifestOf,
  pushBlob,
  pushImage,
  putManifest,
  type RegistryProcess,
  startRegistryProcess,
} from '../harness/our-registry.ts'

/** At which of its hits. A file is written for each link, manifest and tag. */
const STEPS = FAILPOINTS.filter((name) => !name.startsWith('collect.')).flatMap((name) => {
  const hits = name === 'file.written' ? [1, 2, 3, 4, 5, 6] : name.startsWith('manifest.') ? [1] : [1, 2]
  return hits.map((hit) => [name, hit] as const)
})
/** Data of registries that collect, whose tests look at the files. */
const directory = mkdtempSync(join(tmpdir(), 'berth-crash-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const LAYER = randomBytes(200_000)
const CONFIG = Buffer.from('{"architecture":"amd64"}')
const IMAGE = manifestOf([CONFIG, LAYER])

/** A layer in two chunks, a configuration at once, the manifest; says what was acknowledged before the line broke. */
async function push(url: string): Promise<{ acknowledged: Set<string>; location: string | undefined; size: number }> {
  const acknowledged = new Set<string>()
  let location: string | undefined
  let size = 0
  try {
    location = (await fetch(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })).headers.get('location') ?? ''
    for (const [start, end] of [
      [0, 99_999],
      [100_000, 199_999],
    ] as const) {
      const headers = { 'content-range': `${start}-${end}` }
      await fetch(location, { method: 'PATCH', headers, body: LAYER.subarray(start, end + 1) })
      size = end + 1
    }
    const put = await fetch(`${location}?digest=${digestOf(LAYER)}`, { method: 'PUT' })
    assert.equal(put.status, 201)
    acknowledged.add('layer')
    await pushBlob(url, 'a', CONFIG)
    acknowledged.add('config')
    assert.equal((await putManifest(url, 'a', 'latest', IMAGE.bytes)).status, 201)
    acknowledged.add('manifest')
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error // an answer, but not the one that was due
  }
  return { acknowledged, location, size }
}

async function bytesOf(url: string, path: string): Promise<Buffer | undefined> {
  const response = await fetch(`${url}/v2/a/${path}`)
  const body = Buffer.from(await response.arrayBuffer())
  return response.status === 200 ? body : undefined
}

for (const [step, hit] of STEPS)
  test(`a push that is cut off at ${step}, hit ${hit}, goes through after`, async () => {
    const point = `${step}=${hit === 1 ? '' : `${hit - 1}*off->`}kill`
    await using registry = await startRegistryProcess({}, { BERTH_FAILPOINTS: point })
    const { acknowledged, location, size } = await push(registry.url)
    assert.ok(!acknowledged.has('manifest'), 'it did not die')
    await registry.restart()
    const { url } = registry
    if (acknowledged.has('layer')) assert.deepEqual(await bytesOf(url, `blobs/${digestOf(LAYER)}`), LAYER)
    if (acknowledged.has('config')) assert.deepEqual(await bytesOf(url, `blobs/${digestOf(CONFIG)}`), CONFIG)
    if (acknowledged.has('manifest')) assert.deepEqual(await bytesOf(url, 'manifests/latest'), IMAGE.bytes)
    if (location !== undefined && !acknowledged.has('layer')) await resume(url, location, size)
    await wholeOrAbsent(url)
    await pushImage(url, 'a', 'latest', IMAGE)
    await wholeOrAbsent(url)
    assert.deepEqual(await bytesOf(url, 'manifests/latest'), IMAGE.bytes)
  })

/** The client goes on where the registry says that it is; what was acknowledged is not asked for again. */
async function resume(url: string, location: string, size: number): Promise<void> {
  const address = `${url}${new URL(location).pathname}`
  const state = await fetch(address)
  if (state.status === 404) return // it was finished, and its answer was lost
  assert.equal(state.status, 204)
  const next = Number(/^0-(\d+)$/.exec(state.headers.get('range') ?? '')?.[1] ?? 0) + 1
  const start = next === 1 ? 0 : next
  assert.ok(start >= size, `${start} bytes are there, ${size} were acknowledged`)
  if (start < LAYER.length) {
    const headers = { 'content-range': `${start}-${LAYER.length - 1}` }
    assert.equal((await fetch(address, { method: 'PATCH', headers, body: LAYER.subarray(start) })).status, 202)
  }
  assert.equal((await fetch(`${address}?digest=${digestOf(LAYER)}`, { method: 'PUT' })).status, 201)
  assert.deepEqual(await bytesOf(url, `blobs/${digestOf(LAYER)}`), LAYER)
}

/** Every tag leads to a manifest, every manifest to its blobs, every blob to its own bytes. */
async function wholeOrAbsent(url: string): Promise<void> {
  const list = await fetch(`${url}/v2/a/tags/list`)
  const { tags = [] } = (await list.json()) as { tags?: string[] }
  for (const tag of tags) {
    const manifest = await bytesOf(url, `manifests/${tag}`)
    assert.deepEqual(manifest, IMAGE.bytes)
  }
  if ((await bytesOf(url, `manifests/${IMAGE.digest}`)) === undefined) return
  for (const blob of IMAGE.blobs) {
    const bytes = await bytesOf(url, `blobs/${digestOf(blob)}`)
    assert.equal(
      createHash('sha256')
        .update(bytes ?? '')
        .digest('hex'),
      digestOf(blob).slice(7),
    )
  }
}

for (const step of FAILPOINTS.filter((name) => name.startsWith('collect.')))
  test(`a collection that is cut off at ${step} is taken up by the next, and loses nothing that is needed`, async () => {
    const collecting = { garbagecollection: { enabled: true, interval: '30ms', grace: '0s' } }
    await using registry = await startCollecting(collecting)
    // With no grace its blobs may be gone before its manifest comes: a client would push them again, too.
    await eventually('the image is pushed', 30_000, () =>
      pushImage(registry.url, 'a', 'latest', IMAGE).then(() => true),
    )
    const lost = await pushBlob(registry.url, 'a', Buffer.from('needed by nobody'))
    await registry.restart({ BERTH_FAILPOINTS: `${step}=kill` }).catch(() => {}) // it may die before it can say where it listens
    await eventually(`it dies at ${step}`, 30_000, async () =>
      fetch(`${registry.url}/v2/`).then(
        () => false,
        () => true,
      ),
    )
    await registry.restart()
    assert.deepEqual(await bytesOf(registry.url, 'manifests/latest'), IMAGE.bytes)
    for (const blob of IMAGE.blobs) assert.deepEqual(await bytesOf(registry.url, `blobs/${digestOf(blob)}`), blob)
    await eventually('the blob is collected', 30_000, () => !blobNames(registry).includes(lost.slice(7)))
    await pushBlobPatiently(registry, Buffer.from('needed by nobody'))
  })

function startCollecting(maintenance: object): Promise<RegistryProcess> {
  const root = join(directory, randomBytes(6).toString('hex'))
  const storage = { filesystem: { rootdirectory: root }, delete: { enabled: true }, maintenance }
  return startRegistryProcess({ storage }).then((registry) => Object.assign(registry, { root }))
}

function blobNames({ root }: RegistryProcess): string[] {
  return readdirSync(join(root, 'docker/registry/v2/blobs'), { recursive: true, encoding: 'utf8' }).flatMap(
    (path) => /\/([0-9a-f]{64})$/.exec(path)?.[1] ?? [],
  )
}

/** A blob whose removal was begun can be pushed again; until the removal has been finished the answer is 503. */
async function pushBlobPatiently({ url }: RegistryProcess, bytes: Buffer): Promise<void> {
  await eventually('the blob is pushed again', 100_000, async () => {
    const digest = digestOf(bytes)
    const response = await fetch(`${url}/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body: bytes })
    assert.ok(response.status === 201 || response.status === 503, `${response.status}`)
    return response.status === 201
  })
}
