// The collector beside pushes: what is needed stays, what is not goes after its grace, and no interleaving loses what was acknowledged.
import assert from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { test } from 'node:test'
import {
  manifestOf,
  openTestRegistry,
  pushBlob,
  pushImage,
  putManifest,
} from '../../../../test/harness/our-registry.ts'
import type { Clock } from '../../../base/clock.ts'
import { silentLog } from '../../../base/log.ts'
import { type Digest, digestOf } from '../../../oci/digest.ts'
import { MEDIA_TYPE } from '../../../oci/media-type.ts'
import type { Registry } from '../registry.ts'
import { collect } from './collect.ts'
import { purgeUploads } from './purge-uploads.ts'
import { scrub } from './scrub.ts'

const HOUR = 3_600_000

class Hands implements Clock {
  time = Date.now()
  now(): number {
    return this.time
  }
  monotonic(): number {
    return this.time
  }
  async sleep(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function round(registry: Registry, clock: Clock, options = {}) {
  const all = { graceMs: HOUR, deleteUntagged: false, dryRun: false, ...options }
  return collect({ store: registry.store, clock, log: silentLog }, all)
}

function imageOf(...texts: string[]) {
  return manifestOf(texts.map((text) => Buffer.from(text)))
}

test('a blob that no manifest needs goes after two rounds and its grace', async () => {
  await using opened = await openTestRegistry()
  const { url, registry } = opened
  const clock = new Hands()
  await pushImage(url, 'a', 'latest', imageOf('{}', 'needed'))
  const lost = await pushBlob(url, 'a', Buffer.from('not needed'))
  assert.deepEqual(await round(registry, clock), { manifests: 1, condemned: 1, removed: 0, removedBytes: 0 })
  clock.time += HOUR - 1
  assert.equal((await round(registry, clock)).removed, 0)
  clock.time += 1
  assert.deepEqual(await round(registry, clock, { dryRun: true }), {
    manifests: 1,
    condemned: 0,
    removed: 1,
    removedBytes: 10,
  })
  assert.equal((await fetch(`${url}/v2/a/blobs/${lost}`)).status, 200)
  assert.deepEqual(await round(registry, clock), { manifests: 1, condemned: 0, removed: 1, removedBytes: 10 })
  assert.equal((await fetch(`${url}/v2/a/blobs/${lost}`)).status, 404)
  assert.equal(await registry.store.isBlobLinked('a' as never, lost), false)
  assert.equal((await fetch(`${url}/v2/a/blobs/${digestOf('needed')}`)).status, 200)
})

test('who asks for a condemned blob, mounts it or needs it begins its time anew', async () => {
  await using opened = await openTestRegistry()
  const { url, registry } = opened
  const clock = new Hands()
  const [asked, mounted, needed, config] = await Promise.all(
    ['asked', 'mounted', 'needed', '{}'].map((text) => pushBlob(url, 'a', Buffer.from(text))),
  )
  await round(registry, clock)
  clock.time += 2 * HOUR
  await fetch(`${url}/v2/a/blobs/${asked}`, { method: 'HEAD' })
  await fetch(`${url}/v2/b/blobs/uploads/?mount=${mounted}&from=a`, { method: 'POST' })
  assert.equal((await putManifest(url, 'a', 'x', imageOf('{}', 'needed').bytes)).status, 201)
  assert.deepEqual(await round(registry, clock), { manifests: 1, condemned: 2, removed: 0, removedBytes: 0 })
  for (const digest of [asked, mounted, needed, config])
    assert.notEqual(await registry.store.statBlob(digest!), undefined)
})

test('deleted manifests go with what only they needed', async () => {
  await using opened = await openTestRegistry()
  const { url, registry } = opened
  const clock = new Hands()
  const [one, two] = [imageOf('{"n":1}', 'shared', 'first'), imageOf('{"n":2}', 'shared', 'second')]
  await pushImage(url, 'a', 'one', one)
  await pushImage(url, 'b', 'two', two)
  await fetch(`${url}/v2/a/manifests/${one.digest}`, { method: 'DELETE' })
  await round(registry, clock)
  clock.time += HOUR
  assert.equal((await round(registry, clock)).removed, 3)
  assert.equal((await fetch(`${url}/v2/b/blobs/${digestOf('shared')}`)).status, 200)
  assert.equal(await registry.store.statBlob(digestOf('first')), undefined)
})

test('untagged manifests go when that is asked for; parts of tagged indexes and what refers to them stay', async () => {
  await using opened = await openTestRegistry()
  const { url, registry } = opened
  const clock = new Hands()
  const child = imageOf('{}', 'of the index')
  const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: child.digest, size: child.bytes.length }
  const signature = manifestOf([Buffer.from('{"s":1}')], { subject })
  const loose = imageOf('{"l":1}', 'loose')
  for (const image of [child, signature, loose]) await pushImage(url, 'a', image.digest, image)
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [subject] }))
  assert.equal((await putManifest(url, 'a', 'latest', index, MEDIA_TYPE.ociIndex)).status, 201)
  assert.equal((await round(registry, clock)).condemned, 0)
  assert.equal((await round(registry, clock, { deleteUntagged: true })).condemned, 3)
  clock.time += HOUR
  assert.equal((await round(registry, clock, { deleteUntagged: true })).removed, 3)
  const status = async (digest: Digest) => (await fetch(`${url}/v2/a/manifests/${digest}`)).status
  assert.deepEqual(await Promise.all([child, signature, loose].map(({ digest }) => status(digest))), [200, 200, 404])
})

test('a claim that a collector died over is finished, and until then the blob can’t be counted on', async () => {
  await using opened = await openTestRegistry()
  const { url, registry } = opened
  const clock = new Hands()
  const digest = await pushBlob(url, 'a', Buffer.from('x'))
  await round(registry, clock)
  assert.ok(await registry.store.claimBlob(digest, clock.now()))
  clock.time += 30_000
  await round(registry, clock)
  assert.equal(await registry.store.pardonBlob(digest), 'claimed')
  clock.time += 60_000
  await round(registry, clock)
  assert.equal(await registry.store.statBlob(digest), undefined)
  assert.equal(await registry.store.pardonBlob(digest), 'unmarked')
  await pushBlob(url, 'a', Buffer.from('x'))
  assert.equal((await fetch(`${url}/v2/a/blobs/${digest}`)).status, 200)
})

test('with a collector that never rests and grants next to no grace, no acknowledged image loses a part', async () => {
  await using opened = await openTestRegistry()
  const { url, registry } = opened
  const clock = new Hands()
  let pushing = true
  const collecting = (async () => {
    let removed = 0
    while (pushing) {
      removed += (await round(registry, clock, { graceMs: 8, deleteUntagged: true })).removed
      clock.time++
      await clock.sleep() // a store in memory never lets anybody else have a turn
    }
    return removed
  })()
  const acknowledged: { name: string; tag: string; image: ReturnType<typeof manifestOf> }[] = []
  const shared = Array.from({ length: 4 }, (_, at) => Buffer.from(`shared layer ${at}`))
  const pusher = async (worker: number) => {
    for (let at = 0; at < 12; at++) {
      const blobs = [Buffer.from(`{"n":"${worker}-${at}"}`), shared[randomInt(4)]!, randomBytes(20)]
      const [name, tag, image] = [`r${randomInt(3)}`, `t${worker}-${at}`, manifestOf(blobs)]
      for (;;) {
        for (const blob of blobs) await pushBlob(url, name, blob)
        const put = await putManifest(url, name, tag, image.bytes)
        if (put.status === 201) {
          acknowledged.push({ name, tag, image })
          break
        }
        assert.match(await put.text(), /MANIFEST_BLOB_UNKNOWN/)
      }
      if (at % 3 === 2) {
        const gone = acknowledged.findIndex((each) => each.tag.startsWith(`t${worker}-`))
        const [each] = acknowledged.splice(gone, 1)
        await fetch(`${url}/v2/${each!.name}/manifests/${each!.tag}`, { method: 'DELETE' })
      }
    }
  }
  await Promise.all(Array.from({ length: 6 }, (_, worker) => pusher(worker))).finally(() => {
    pushing = false
  })
  assert.ok((await collecting) > 0, 'the collector had something to do')
  for (let at = 0; at < 3; at++) await round(registry, clock, { graceMs: 0, deleteUntagged: true })
  assert.equal(acknowledged.length, 6 * 8)
  for (const { name, tag, image } of acknowledged) {
    const got = await fetch(`${url}/v2/${name}/manifests/${tag}`)
    assert.equal(got.headers.get('docker-content-digest'), image.digest)
    for (const blob of image.blobs) {
      const response = await fetch(`${url}/v2/${name}/blobs/${digestOf(blob)}`)
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), blob, `${name}:${tag}`)
    }
  }
})

test('abandoned uploads are purged by age', async () => {
  await using opened = await openTestRegistry()
  const { url, registry } = opened
  const clock = new Hands()
  const location = (await fetch(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })).headers.get('location') ?? ''
  const purge = () => purgeUploads({ ...registry, clock }, { ageMs: HOUR, dryRun: false })
  assert.equal(await purge(), 0)
  clock.time += 2 * HOUR
  assert.equal(await purge(), 1)
  assert.equal((await fetch(location)).status, 404)
})

test('a scrub names the blobs whose bytes are not theirs', async () => {
  await using opened = await openTestRegistry()
  const { url, registry } = opened
  await pushBlob(url, 'a', Buffer.from('sound'))
  const bad = digestOf('what it should be')
  await registry.store.writeBlob(bad, Buffer.from('what it is'))
  const collector = { store: registry.store, clock: new Hands(), log: silentLog }
  assert.deepEqual(await scrub(collector), { blobs: 2, bytes: 15, bad: [bad] })
})
