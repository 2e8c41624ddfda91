// What every store does, whatever it lies on.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { isFailure } from '../../../base/failure.ts'
import { type Digest, digestOf } from '../../../oci/digest.ts'
import { newUploadId, type RepositoryName } from '../names.ts'
import type { RegistryStore } from './store.ts'

const NAME = 'some/name' as RepositoryName
const OTHER = 'some' as RepositoryName
const ABSENT = digestOf('absent')

/** `open` gives a store that is empty and closes what it needs with it. */
export function storeSuite(kind: string, open: () => Promise<RegistryStore>): void {
  const it = (name: string, work: (store: RegistryStore) => Promise<void>) =>
    test(`${kind}: ${name}`, async () => {
      await using store = await open()
      await work(store)
    })

  it('says nothing of what is not there', async (store) => {
    await store.check()
    assert.equal(await store.statBlob(ABSENT), undefined)
    assert.equal(await store.readBlob(ABSENT), undefined)
    await store.removeBlob(ABSENT)
    assert.equal(await store.isBlobLinked(NAME, ABSENT), false)
    assert.equal(await store.unlinkBlob(NAME, ABSENT), false)
    assert.equal(await store.isManifestLinked(NAME, ABSENT), false)
    assert.equal(await store.unlinkManifest(NAME, ABSENT), false)
    assert.equal(await store.readTag(NAME, 'latest'), undefined)
    assert.equal(await store.removeTag(NAME, 'latest'), false)
    assert.equal(await store.listTags(NAME), undefined)
    assert.equal(await store.statUpload(NAME, newUploadId()), undefined)
    assert.equal(await store.removeUpload(NAME, newUploadId()), false)
    assert.equal(await store.pardonBlob(ABSENT), 'unmarked')
    assert.equal(await store.claimBlob(ABSENT, 1), undefined)
    assert.deepEqual(await store.listRepositories(), [])
    assert.deepEqual(await all(store.listBlobs()), [])
    assert.deepEqual(await all(store.listBlobLinks(NAME)), [])
    assert.deepEqual(await all(store.listManifests(NAME)), [])
    assert.deepEqual(await all(store.listUploads(NAME)), [])
    assert.deepEqual(await all(store.listCondemned()), [])
    assert.deepEqual(await store.listReferrers(NAME, ABSENT), [])
  })

  it('keeps blobs by digest and gives any part of them', async (store) => {
    const bytes = randomBytes(100_000)
    const digest = digestOf(bytes)
    await store.writeBlob(digest, bytes)
    await store.writeBlob(digest, bytes)
    assert.equal(await store.statBlob(digest), bytes.length)
    assert.deepEqual(await read(store, digest), bytes)
    assert.deepEqual(await read(store, digest, { start: 10, end: 10 }), bytes.subarray(10, 11))
    assert.deepEqual(await read(store, digest, { start: 99_990, end: 99_999 }), bytes.subarray(99_990))
    const long = digestOf(bytes, 'sha512')
    await store.writeBlob(long, bytes)
    assert.deepEqual((await all(store.listBlobs())).sort(), [digest, long].sort())
    await store.removeBlob(digest)
    assert.equal(await store.statBlob(digest), undefined)
    assert.deepEqual(await all(store.listBlobs()), [long])
  })

  it('an upload grows at its end only, and becomes a blob when it is promoted', async (store) => {
    const id = newUploadId()
    await store.createUpload(NAME, id)
    assert.equal((await store.statUpload(NAME, id))?.size, 0)
    const parts = [randomBytes(70_000), randomBytes(1), randomBytes(9000)]
    assert.equal(await store.appendUpload(NAME, id, 0, from(parts[0]!)), 70_000)
    assert.equal(await store.appendUpload(NAME, id, 70_000, from(parts[1]!, parts[2]!)), 79_001)
    for (const offset of [0, 70_000, 79_002])
      await assert.rejects(store.appendUpload(NAME, id, offset, from(parts[1]!)), (e) => isFailure(e, 'out-of-range'))
    await assert.rejects(store.appendUpload(NAME, newUploadId(), 0, from()), (e) => isFailure(e, 'not-found'))
    assert.deepEqual(await all(store.listUploads(NAME)), [id])
    const bytes = Buffer.concat(parts)
    assert.deepEqual(await collect(await store.readUpload(NAME, id)), bytes)
    const digest = digestOf(bytes)
    await assert.rejects(store.promoteUpload(NAME, id, digest, bytes.length + 1), (e) => isFailure(e, 'not-found'))
    await store.promoteUpload(NAME, id, digest, bytes.length)
    await store.promoteUpload(NAME, id, digest, bytes.length)
    assert.deepEqual(await read(store, digest), bytes)
    assert.equal(await store.removeUpload(NAME, id), true)
    assert.equal(await store.removeUpload(NAME, id), false)
    assert.deepEqual(await read(store, digest), bytes)
    assert.deepEqual(await store.listRepositories(), [])
    assert.equal((await store.statUpload(NAME, id))?.size, undefined)
  })

  it('what is stored of an upload can be read while it grows, any part of it', async (store) => {
    const id = newUploadId()
    await store.createUpload(NAME, id)
    const bytes = randomBytes(40 << 20)
    const sizes: number[] = []
    const source = async function* () {
      for (let at = 0; at < bytes.length; at += 1 << 20) {
        const told = sizes.at(-1) ?? 0
        if (told > 0) {
          const range = { start: Math.max(0, told - 2_000_000), end: told - 1 }
          assert.deepEqual(await collect(await store.readUpload(NAME, id, range)), bytes.subarray(range.start, told))
        }
        yield bytes.subarray(at, at + (1 << 20))
      }
    }
    await store.appendUpload(NAME, id, 0, source(), (size) => sizes.push(size))
    assert.equal(sizes.at(-1), bytes.length)
    assert.ok(sizes.length > 1)
    for (const [start, end] of [
      [0, 0],
      [16_000_000, 17_000_000],
      [bytes.length - 1, bytes.length - 1],
    ] as const)
      assert.deepEqual(await collect(await store.readUpload(NAME, id, { start, end })), bytes.subarray(start, end + 1))
  })

  it('what came of an upload before its source broke stays', async (store) => {
    const id = newUploadId()
    await store.createUpload(NAME, id)
    const broken = (async function* () {
      yield Buffer.alloc(1000, 1)
      throw new Error('the line is cut')
    })()
    await assert.rejects(store.appendUpload(NAME, id, 0, broken), /the line is cut/)
    assert.equal((await store.statUpload(NAME, id))?.size, 1000)
    assert.equal(await store.appendUpload(NAME, id, 1000, from(Buffer.alloc(1))), 1001)
  })

  it('an empty upload is the empty blob', async (store) => {
    const id = newUploadId()
    await store.createUpload(NAME, id)
    await store.appendUpload(NAME, id, 0, from())
    const digest = digestOf('')
    await store.promoteUpload(NAME, id, digest, 0)
    assert.equal(await store.statBlob(digest), 0)
  })

  it('what is added to an upload after its promotion does not come into the blob', async (store) => {
    const id = newUploadId()
    await store.createUpload(NAME, id)
    const bytes = randomBytes(1000)
    await store.appendUpload(NAME, id, 0, from(bytes))
    const digest = digestOf(bytes)
    await store.promoteUpload(NAME, id, digest, bytes.length)
    assert.equal(await store.appendUpload(NAME, id, 1000, from(Buffer.alloc(500))), 1500)
    assert.deepEqual(await read(store, digest), bytes)
    assert.deepEqual(await collect(await store.readUpload(NAME, id)), Buffer.concat([bytes, Buffer.alloc(500)]))
  })

  it('does what excludes others one at a time for a repository, and goes on after what failed', async (store) => {
    const order: string[] = []
    const work = (name: RepositoryName, mark: string) =>
      store.exclusively(name, async (mustHold) => {
        order.push(`${mark} begins`)
        await new Promise((resolve) => setTimeout(resolve, 5))
        mustHold()
        order.push(`${mark} ends`)
        if (mark === 'b') throw new Error('it went wrong')
      })
    const all = await Promise.allSettled(['a', 'b', 'c'].map((mark) => work(NAME, mark)))
    assert.deepEqual(all.map(({ status }) => status).sort(), ['fulfilled', 'fulfilled', 'rejected'])
    for (let at = 0; at < order.length; at += 2) assert.equal(order[at]?.[0], order[at + 1]?.[0], String(order))
    await work(OTHER, 'd')
    assert.equal(order.length, 8)
  })

  it('two repositories see only what is linked into them', async (store) => {
    const digest = digestOf('x')
    await store.writeBlob(digest, Buffer.from('x'))
    await store.linkBlob(NAME, digest)
    await store.linkBlob(NAME, digest)
    assert.equal(await store.isBlobLinked(NAME, digest), true)
    assert.equal(await store.isBlobLinked(OTHER, digest), false)
    assert.deepEqual(await all(store.listBlobLinks(NAME)), [digest])
    assert.deepEqual(await all(store.listBlobLinks(OTHER)), [])
    assert.deepEqual(await store.listAllRepositories(), [NAME])
    assert.equal(await store.unlinkBlob(NAME, digest), true)
    assert.equal(await store.isBlobLinked(NAME, digest), false)
    assert.equal(await store.statBlob(digest), 1)
  })

  it('manifests, tags and referrers are a repository’s own', async (store) => {
    const [one, two] = [digestOf('1'), digestOf('2')]
    await store.linkManifest(NAME, one)
    await store.linkManifest(OTHER, two, one)
    assert.deepEqual(await store.listRepositories(), [OTHER, NAME])
    assert.deepEqual(await all(store.listManifests(NAME)), [one])
    assert.deepEqual(await store.listReferrers(OTHER, one), [two])
    assert.deepEqual(await store.listReferrers(NAME, one), [])
    assert.deepEqual(await store.listTags(NAME), [])
    for (const tag of ['b', 'a', 'B', '1.0', 'b']) await store.setTag(NAME, tag, one)
    await store.setTag(NAME, 'b', two)
    assert.deepEqual(await store.listTags(NAME), ['1.0', 'B', 'a', 'b'])
    assert.equal(await store.readTag(NAME, 'b'), two)
    assert.equal(await store.readTag(NAME, 'a'), one)
    assert.equal(await store.removeTag(NAME, 'b'), true)
    assert.equal(await store.readTag(NAME, 'b'), undefined)
    assert.deepEqual(await store.listTags(NAME), ['1.0', 'B', 'a'])
    const made = await Promise.all([one, two, one].map((digest) => store.createTag(NAME, 'once', digest)))
    assert.equal(made.filter((known) => known === undefined).length, 1)
    const once = await store.readTag(NAME, 'once')
    assert.ok(made.every((known) => known === undefined || known === once))
    assert.equal(await store.createTag(NAME, 'once', two), once)
    assert.equal(await store.unlinkManifest(OTHER, two, one), true)
    assert.deepEqual(await store.listReferrers(OTHER, one), [])
    assert.equal(await store.isManifestLinked(OTHER, two), false)
  })

  it('a condemned blob is pardoned or claimed, never both', async (store) => {
    const digest = digestOf('x')
    await store.condemnBlob(digest, 1000)
    await store.condemnBlob(digest, 2000)
    assert.deepEqual(await all(store.listCondemned()), [{ digest, since: 1000, claimed: false }])
    assert.equal(await store.pardonBlob(digest), 'pardoned')
    assert.equal(await store.pardonBlob(digest), 'unmarked')
    assert.equal(await store.claimBlob(digest, 3000), undefined)
    await store.condemnBlob(digest, 4000)
    const verdicts = await Promise.all([
      store.claimBlob(digest, 5000),
      store.claimBlob(digest, 5000),
      store.pardonBlob(digest),
    ])
    const [won, pardon] = [verdicts.slice(0, 2).filter(Boolean).length, verdicts[2]]
    assert.ok((won === 1) === (pardon !== 'pardoned'), JSON.stringify(verdicts))
    await store.releaseBlob(digest)
    await store.condemnBlob(digest, 6000)
    const claim = (await store.claimBlob(digest, 7000)) ?? assert.fail('it is not claimed')
    assert.equal(await store.claimBlob(digest, 7000), undefined)
    assert.equal(await store.holdsClaim(digest, claim), true)
    const taken = (await store.takeOverClaim(digest, 7500)) ?? assert.fail('it is not taken over')
    assert.deepEqual([await store.holdsClaim(digest, claim), await store.holdsClaim(digest, taken)], [false, true])
    assert.equal(await store.pardonBlob(digest), 'claimed')
    await store.condemnBlob(digest, 8000)
    const marks = await all(store.listCondemned())
    assert.deepEqual(
      marks.map((mark) => [mark.digest, mark.claimed]),
      [[digest, true]],
    )
    await store.releaseBlob(digest)
    assert.equal(await store.holdsClaim(digest, taken), false)
    assert.equal(await store.takeOverClaim(digest, 9000), undefined)
    assert.equal(await store.pardonBlob(digest), 'unmarked')
  })

  it('takes sixty-four writers of one blob at once', async (store) => {
    const bytes = randomBytes(50_000)
    const digest = digestOf(bytes)
    const write = async () => {
      const id = newUploadId()
      await store.createUpload(NAME, id)
      await store.appendUpload(NAME, id, 0, from(bytes))
      await store.promoteUpload(NAME, id, digest, bytes.length)
      await store.linkBlob(NAME, digest)
      await store.removeUpload(NAME, id)
    }
    await Promise.all(Array.from({ length: 64 }, write))
    assert.deepEqual(await read(store, digest), bytes)
    assert.deepEqual(await all(store.listBlobs()), [digest])
    assert.deepEqual(await all(store.listUploads(NAME)), [])
  })
}

async function read(store: RegistryStore, digest: Digest, range?: { start: number; end: number }): Promise<Buffer> {
  const stream = await store.readBlob(digest, range)
  assert.ok(stream)
  return collect(stream)
}

async function collect(stream: AsyncIterable<unknown>): Promise<Buffer> {
  return Buffer.concat((await all(stream)) as Buffer[])
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const each of source) found.push(each)
  return found
}

async function* from(...parts: Buffer[]): AsyncGenerator<Uint8Array> {
  yield* parts
}
