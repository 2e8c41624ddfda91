// What is left of pulls that failed, were cancelled or died; who goes on with it, and that it goes.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { type ContentServices, openContentServices } from '../../../test/harness/content-services.ts'
import { type CuttingProxy, startCuttingProxy } from '../../../test/harness/cutting-proxy.ts'
import { fakeImage, type FakeRegistry, startFakeRegistry } from '../../../test/harness/fake-registry.ts'
import { ManualClock } from '../../../test/harness/manual-clock.ts'
import { Failure } from '../../base/failure.ts'
import { UPLOAD_PREFIX } from '../../containerd/client/content-writer.ts'
import { type Digest, digestOf } from '../../oci/digest.ts'
import { parseReference } from '../../oci/parse-reference.ts'
import { KEPT_MS } from '../../registry/client/kept-pulls.ts'
import { pullImage } from '../../registry/client/pull-image.ts'
import { dropOldLeases } from './drop-old-leases.ts'
import { type BroughtContent, bringContent, dropKeptPulls, sweepKeptPulls } from './kept-pulls.ts'

const LAYERS = [randomBytes(3_000_000), randomBytes(9_000_000)].map((bytes) => ({ bytes, diffId: digestOf(bytes) }))
const IMAGE_BYTES = 12_000_000
/** Heads, manifest and configuration, and what was on its way when a line broke. */
const SLACK_BYTES = 100_000

interface World {
  services: ContentServices
  registry: FakeRegistry
  proxy: CuttingProxy
  clock: ManualClock
  engine: Parameters<typeof dropOldLeases>[0]
  /** As the engine does it, one layer at a time. */
  pull(name: string, options?: { signal?: AbortSignal; onBytes?: (done: number) => void }): Promise<void>
  left(): Promise<string[]>
}

async function withWorld(work: (world: World) => Promise<void>): Promise<void> {
  await using services = await openContentServices()
  await using registry = await startFakeRegistry()
  await using proxy = await startCuttingProxy(registry.host)
  registry.serve('app', fakeImage(LAYERS))
  const clock = new ManualClock(Date.now())
  const peer = { version: '', isOwn: true }
  const world: World = {
    ...{ services, registry, proxy, clock },
    engine: {
      clock,
      peer,
      id: 'me',
      get containerd() {
        return services.client
      },
    },
    async pull(name, options = {}) {
      await using brought = await bringContent(world.engine, name)
      try {
        await pullInto(brought, world, options)
      } catch (error) {
        brought.failed(error)
        throw error
      }
    },
    async left() {
      await services.collector.collectNow()
      const { leases } = await services.client.leases.list({ filters: [] })
      return [
        ...leases.map(() => 'lease'),
        ...services.content.listStatuses('moby').map(({ ref, offset }) => `${kindOf(ref)} ${offset}`),
        ...services.content
          .list('moby')
          .map(({ digest, size }) => `blob ${size} ${existsSync(services.content.blobPath(digest as Digest))}`),
      ]
    },
  }
  await work(world)
}

const kindOf = (ref: string) => (ref.startsWith(UPLOAD_PREFIX) ? 'upload' : 'other')

async function pullInto(
  { sink }: BroughtContent,
  { proxy }: World,
  options: { signal?: AbortSignal; onBytes?: (done: number) => void },
): Promise<void> {
  const { layers } = await pullImage({
    reference: parseReference(`${proxy.host}/app`),
    platform: { os: 'linux', architecture: 'amd64' },
    auth: undefined,
    insecureRegistries: [],
    mirrors: [],
    maxConcurrentDownloads: 1,
    maxDownloadAttempts: 1,
    sink,
    progress: { onLayer: (_, state, done) => state === 'downloading' && options.onBytes?.(done) },
    onLayerStored() {},
    signal: options.signal ?? AbortSignal.timeout(30_000),
  })
  for (const [at, layer] of layers.entries())
    assert.ok(
      Buffer.from(await sink.read(layer, layer.size)).equals(LAYERS[at]!.bytes),
      'what is stored is what was pushed',
    )
}

/** The connection ends after so many bytes, and the next ones do not. */
function cutAfter(proxy: CuttingProxy, bytes: number): void {
  proxy.bytesMax = bytes
  proxy.cutsMax = proxy.cuts + 1
}

test('a pull that was cut goes on: whole layers are there, and of the half one only the rest is asked for', () =>
  withWorld(async ({ pull, proxy, left, services }) => {
    cutAfter(proxy, 7_000_000)
    await assert.rejects(pull('app'), { code: 'unavailable' })
    const [lease, upload, ...blobs] = await left()
    assert.equal(lease, 'lease')
    assert.match(upload!, /^upload 39\d{5}$/)
    assert.deepEqual(blobs.filter((line) => line === 'blob 3000000 true').length, 1)
    services.restart()
    await pull('app')
    assert.ok(proxy.passedBytes < IMAGE_BYTES + SLACK_BYTES, `${proxy.passedBytes} bytes for ${IMAGE_BYTES}`)
    assert.deepEqual(await left(), [])
  }))

test('twenty pulls that are cut, with a killed containerd between them, send each byte once', () =>
  withWorld(async ({ pull, proxy, left, services }) => {
    for (let round = 0; round < 20; round++) {
      cutAfter(proxy, 560_000)
      await assert.rejects(pull('app'), { code: 'unavailable' })
      assert.equal((await left()).filter((line) => line === 'lease').length, 1)
      if (round % 5 === 4) services.restart()
    }
    assert.equal(proxy.cuts, 20)
    await pull('app')
    assert.ok(proxy.passedBytes < IMAGE_BYTES + 20 * 5_000, `${proxy.passedBytes} bytes for ${IMAGE_BYTES}`)
    assert.deepEqual(await left(), [])
  }))

test('an engine that was killed in the middle of a layer: the next one goes on', () =>
  withWorld(async ({ pull, proxy, left, services, engine }) => {
    // A module of its own is the process that dies: what it knew is gone with it.
    const dead = (await import(
      new URL('./kept-pulls.js?dead', import.meta.url).href
    )) as typeof import('./kept-pulls.ts')
    const brought = await dead.bringContent(engine, 'app')
    const layer = LAYERS[1]!.bytes
    let die: () => void = () => {}
    const isDying = new Promise<void>((resolve) => {
      die = resolve
    })
    const written = brought.sink
      .write(
        { mediaType: 'x/y', digest: digestOf(layer), size: layer.length },
        async function* () {
          yield layer.subarray(0, 4 << 20)
          await isDying
        },
        AbortSignal.timeout(30_000),
      )
      .catch(() => {})
    const status = () => services.content.listStatuses('moby')[0]?.offset
    while (status() !== BigInt(4 << 20)) await new Promise((resolve) => setTimeout(resolve, 5))
    services.restart()
    await dropOldLeases(engine)
    assert.deepEqual(await left(), ['lease', `upload ${4 << 20}`])
    await pull('app')
    assert.ok(proxy.passedBytes < IMAGE_BYTES - (4 << 20) + SLACK_BYTES)
    assert.deepEqual(await left(), [])
    die()
    await written
  }))

test('what a load, or a pull without a lease, has left half made goes at start', () =>
  withWorld(async ({ left, services, engine }) => {
    const ingest = await services.content.openIngest({
      ...{ namespace: 'moby', ref: `blob-${digestOf('x')}`, totalBytes: 0, expected: undefined, leaseId: undefined },
    })
    await ingest.write(Buffer.alloc(5_000_000))
    await ingest.close()
    await services.client.leases.create({ id: 'pull-of-old', labels: { 'berth.engine.lease': 'me' } })
    await services.client.leases.create({ id: 'theirs', labels: { 'berth.engine.lease': 'somebody else' } })
    await dropOldLeases(engine)
    assert.deepEqual(await left(), ['lease'])
  }))

test('a pull that its client cancels leaves nothing, nor what an earlier one had left', () =>
  withWorld(async ({ pull, proxy, left }) => {
    cutAfter(proxy, 7_000_000)
    await assert.rejects(pull('app'), { code: 'unavailable' })
    const stop = new AbortController()
    const onBytes = (done: number) => done > 5_000_000 && stop.abort(new Failure('cancelled', 'context canceled'))
    await assert.rejects(pull('app', { signal: stop.signal, onBytes }), { code: 'cancelled' })
    assert.deepEqual(await left(), [])
  }))

test('bytes that are wrong leave nothing', () =>
  withWorld(async ({ pull, proxy, registry, left }) => {
    cutAfter(proxy, 7_000_000)
    await assert.rejects(pull('app'), { code: 'unavailable' })
    const wrong = fakeImage(LAYERS)
    wrong.blobs.set(digestOf(LAYERS[1]!.bytes), randomBytes(9_000_000))
    registry.serve('app', wrong)
    await assert.rejects(pull('app'), /filesystem layer verification failed for digest/)
    assert.deepEqual(await left(), [])
  }))

test('a registry that has left rubbish in another’s way costs one more download', () =>
  withWorld(async ({ pull, proxy, registry, left }) => {
    const rubbish = fakeImage(LAYERS)
    rubbish.blobs.set(digestOf(LAYERS[1]!.bytes), randomBytes(9_000_000))
    registry.serve('app', rubbish)
    cutAfter(proxy, 7_000_000)
    await assert.rejects(pull('app'), { code: 'unavailable' })
    registry.serve('app', fakeImage(LAYERS))
    await pull('app')
    assert.deepEqual(await left(), [])
  }))

test('too little to look after is not kept', () =>
  withWorld(async ({ pull, proxy, registry, left }) => {
    cutAfter(proxy, 10_000)
    await assert.rejects(pull('app'), { code: 'unavailable' })
    assert.deepEqual(await left(), [])
    const bytes = randomBytes(14_000)
    registry.serve('app', fakeImage([{ bytes, diffId: digestOf(bytes) }]))
    cutAfter(proxy, 10_000)
    await assert.rejects(pull('app'), { code: 'unavailable' })
    assert.deepEqual(await left(), [], 'nor a small layer, all of it')
  }))

test('after a day it goes: by the engine, or by containerd’s own collection where that does not come back', () =>
  withWorld(async ({ pull, proxy, left, clock, engine, services }) => {
    cutAfter(proxy, 7_000_000)
    await assert.rejects(pull('app'), { code: 'unavailable' })
    clock.advance(KEPT_MS - 60_000)
    await sweepKeptPulls(engine)
    assert.equal((await left()).filter((line) => /lease|upload/.test(line)).length, 2)
    clock.advance(60_001)
    await sweepKeptPulls(engine)
    assert.deepEqual(await left(), [])

    cutAfter(proxy, 7_000_000)
    await assert.rejects(pull('app'), { code: 'unavailable' })
    services.leases.expire(clock.now() + KEPT_MS + 1)
    await services.content.sweep(-1)
    assert.deepEqual(await left(), [])
  }))

test('who wants its room gets it, and hears how much it was', () =>
  withWorld(async ({ pull, proxy, left, engine }) => {
    cutAfter(proxy, 7_000_000)
    await assert.rejects(pull('app'), { code: 'unavailable' })
    const bytes = await dropKeptPulls(engine)
    assert.ok(bytes > 6_900_000 && bytes < 7_010_000, `${bytes} bytes`)
    assert.deepEqual(await left(), [])
  }))

test('two names at once keep what is theirs', () =>
  withWorld(async ({ pull, proxy, left }) => {
    cutAfter(proxy, 5_000_000)
    await assert.rejects(pull('one'), { code: 'unavailable' })
    cutAfter(proxy, 5_000_000)
    await assert.rejects(pull('two'), { code: 'unavailable' })
    assert.equal((await left()).filter((line) => line === 'lease').length, 2)
    await pull('two')
    const rest = await left()
    assert.equal(rest.filter((line) => line === 'lease').length, 1)
    assert.ok(rest.includes('blob 3000000 true'), 'what the other name has is not collected')
    await pull('one')
    assert.deepEqual(await left(), [])
  }))
