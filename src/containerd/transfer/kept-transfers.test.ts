// Pulls by transfer from a registry whose line breaks, in one process: what is left of them, who goes on with it, and that it goes.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { type ContentServices, openContentServices } from '../../../test/harness/content-services.ts'
import { eventually } from '../../../test/harness/command.ts'
import { type CuttingProxy, startCuttingProxy } from '../../../test/harness/cutting-proxy.ts'
import { fakeImage, type FakeRegistry, startFakeRegistry } from '../../../test/harness/fake-registry.ts'
import { Failure } from '../../base/failure.ts'
import { silentLog } from '../../base/log.ts'
import { ImageStoreSchema } from '../../gen/types/transfer/imagestore_pb.ts'
import { OCIRegistrySchema } from '../../gen/types/transfer/registry_pb.ts'
import { type Digest, digestOf } from '../../oci/digest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { KEPT_MS } from '../../registry/client/kept-pulls.ts'
import { packMessage } from '../client/any.ts'
import { LayerWorkers } from '../diff/layer-workers.ts'
import { NamedStreams } from './named-stream.ts'
import { Transfers } from './transfer.ts'

const LAYER = randomBytes(9_000_000)
const IMAGE = () => fakeImage([{ bytes: LAYER, diffId: digestOf(LAYER) }])
const SLACK_BYTES = 20_000

interface World {
  services: ContentServices
  registry: FakeRegistry
  proxy: CuttingProxy
  /** A daemon that was killed, and the next one. */
  restart(): Promise<void>
  leave(): void
  pull(options?: { signal?: AbortSignal; leaseId?: string; hostDir?: string }): Promise<void>
  left(): Promise<string[]>
}

async function withWorld(work: (world: World) => Promise<void>): Promise<void> {
  await using services = await openContentServices()
  await using registry = await startFakeRegistry()
  await using proxy = await startCuttingProxy(registry.host)
  registry.serve('app', IMAGE())
  const workers = new LayerWorkers()
  const open = () => {
    const { content, images, leases, events, collector } = services
    const deps = { content, images, leases, events, collector, workers, log: silentLog }
    return new Transfers({ ...deps, snapshotters: new Map(), defaultSnapshotter: '' }, new NamedStreams())
  }
  let transfers = open()
  const name = `${proxy.host}/app:1`
  const world: World = {
    ...{ services, registry, proxy },
    async restart() {
      services.restart()
      transfers = open()
      await transfers.dropOld()
    },
    leave: () => transfers.leave(),
    pull: ({ signal = AbortSignal.timeout(30_000), leaseId, hostDir = '' } = {}) =>
      transfers.transfer({
        source: packMessage(OCIRegistrySchema, create(OCIRegistrySchema, { reference: name, resolver: { hostDir } })),
        destination: packMessage(ImageStoreSchema, create(ImageStoreSchema, { name })),
        ...{ progressStream: '', namespace: 'moby', leaseId, signal },
      }),
    async left() {
      await services.collector.collectNow()
      return [
        ...services.leases.list('moby').map(() => 'lease'),
        ...services.content.listStatuses('moby').map(({ ref }) => `upload ${ref.slice(0, 6)}`),
        ...services.content.list('moby').map(({ size }) => `blob ${size > 1000n ? 'layer' : 'document'}`),
        ...services.images.list('moby').map(() => 'image'),
      ].sort()
    },
  }
  try {
    await work(world)
  } finally {
    transfers.leave()
    await workers.close()
  }
}

const DOCUMENTS = ['blob document', 'blob document']
const PULLED = [...DOCUMENTS, 'blob layer', 'image']
const CUT = [...DOCUMENTS, 'lease', 'upload layer-']

/** Each of the next connections ends after so many bytes: enough of them that the pull fails. */
async function pullCut(world: World, bytes: number): Promise<void> {
  const { registry, proxy } = world
  proxy.bytesMax = bytes
  proxy.cutsMax = proxy.cuts + 1
  // After the first cut nothing more comes of the layer.
  registry.interfere = ({ url = '' }, response) => {
    if (proxy.cuts < proxy.cutsMax || !url.includes(digestOf(LAYER))) return false
    response.writeHead(503, { 'retry-after': '86400' }).end()
    return true
  }
  await assert.rejects(world.pull(), { code: 'unavailable' })
  registry.interfere = undefined
}

test('a pull that was cut goes on, also in a daemon that was started after a crash', () =>
  withWorld(async (world) => {
    const { proxy } = world
    await pullCut(world, 3_000_000)
    assert.deepEqual(await world.left(), CUT)
    await world.restart()
    assert.deepEqual(await world.left(), CUT)
    await pullCut(world, 3_000_000)
    await world.pull()
    assert.deepEqual(await world.left(), PULLED)
    assert.ok(proxy.passedBytes < LAYER.length + SLACK_BYTES, `${proxy.passedBytes} bytes for ${LAYER.length}`)
    const digest = digestOf(LAYER)
    let at = 0
    for await (const part of world.services.content.read('moby', digest, 0, 0)) {
      assert.ok(part.equals(LAYER.subarray(at, at + part.length)))
      at += part.length
    }
  }))

test('twenty cuts within one pull', () =>
  withWorld(async ({ proxy, pull, left }) => {
    proxy.bytesMax = 440_000
    proxy.cutsMax = 20
    await pull()
    assert.equal(proxy.cuts, 20)
    assert.ok(proxy.passedBytes < LAYER.length + SLACK_BYTES, `${proxy.passedBytes} bytes for ${LAYER.length}`)
    assert.deepEqual(await left(), PULLED)
  }))

test('what whole blobs came is kept too, though the client’s lease is gone', () =>
  withWorld(async (world) => {
    const { registry, services, proxy } = world
    const second = randomBytes(2_000_000)
    const layers = [LAYER, second].map((bytes) => ({ bytes, diffId: digestOf(bytes) }))
    registry.serve('app', fakeImage(layers))
    services.leases.create('moby', 'clients', {})
    registry.interfere = async ({ url = '' }, response) => {
      if (!url.includes(digestOf(second))) return false
      while (services.content.find('moby', digestOf(LAYER)) === undefined)
        await new Promise((resolve) => setTimeout(resolve, 5))
      response.writeHead(503, { 'retry-after': '86400' }).end()
      return true
    }
    await assert.rejects(world.pull({ leaseId: 'clients' }), { code: 'unavailable' })
    services.leases.delete('moby', 'clients')
    assert.deepEqual((await world.left()).filter((line) => line === 'blob layer').length, 1)
    registry.interfere = undefined
    const before = proxy.passedBytes
    await world.pull()
    assert.ok(proxy.passedBytes - before < second.length + SLACK_BYTES)
    assert.equal((await world.left()).filter((line) => line === 'lease').length, 0)
  }))

test('what a mirror breaks off in the middle of a layer the registry goes on with', () =>
  withWorld(async (world) => {
    await using mirror = await startFakeRegistry()
    mirror.serve('app', IMAGE())
    let sent = 0
    mirror.interfere = ({ url = '' }, response) => {
      if (!url.includes(digestOf(LAYER))) return false
      if (sent > 0) response.writeHead(403).end()
      else {
        sent = 5_000_000
        response.writeHead(200, { 'content-length': LAYER.length })
        response.write(LAYER.subarray(0, sent), () => response.destroy())
      }
      return true
    }
    const { proxy, services } = world
    const home = join(services.root, 'hosts', proxy.host.replace(/:(\d+)$/, '_$1_'))
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, 'hosts.toml'), `server = "http://${proxy.host}"\n[host."http://${mirror.host}"]\n`)
    await world.pull({ hostDir: join(services.root, 'hosts') })
    assert.deepEqual(await world.left(), PULLED)
    assert.equal(sent, 5_000_000)
    assert.ok(proxy.passedBytes < LAYER.length - 4_000_000, `${proxy.passedBytes} bytes from the registry itself`)
  }))

test('a client that cancels leaves nothing, nor what an earlier pull had left', () =>
  withWorld(async (world) => {
    await pullCut(world, 3_000_000)
    const stop = new AbortController()
    world.registry.interfere = ({ headers }, response) => {
      if (headers.range === undefined) return false
      const at = Number(/\d+/.exec(headers.range)?.[0])
      response.writeHead(206, { 'content-range': `bytes ${at}-${LAYER.length - 1}/${LAYER.length}` })
      response.write(LAYER.subarray(at, at + 1_000_000), () => stop.abort(new Failure('cancelled', 'context canceled')))
      return true
    }
    await assert.rejects(world.pull({ signal: stop.signal }), { code: 'cancelled' })
    assert.deepEqual(await world.left(), [])
  }))

test('a pull that ends with its daemon is gone on with', () =>
  withWorld(async (world) => {
    const stop = new AbortController()
    world.registry.interfere = ({ url = '' }, response) => {
      if (!url.includes(digestOf(LAYER))) return false
      response.writeHead(200, { 'content-length': LAYER.length })
      response.write(LAYER.subarray(0, 4_000_000))
      void eventually('most of it is stored', 10_000, () => {
        return world.services.content.listStatuses('moby').some(({ offset }) => offset > 3_000_000n)
      }).then(() => {
        world.leave()
        stop.abort()
      })
      return true
    }
    await assert.rejects(world.pull({ signal: stop.signal }))
    world.registry.interfere = undefined
    await world.restart()
    assert.deepEqual(await world.left(), CUT)
    await world.pull()
    assert.deepEqual(await world.left(), PULLED)
  }))

test('bytes that are wrong leave nothing; rubbish of an earlier registry costs one more download', () =>
  withWorld(async (world) => {
    const rubbish = IMAGE()
    rubbish.blobs.set(digestOf(LAYER), randomBytes(LAYER.length))
    world.registry.serve('app', rubbish)
    await pullCut(world, 3_000_000)
    await assert.rejects(world.pull(), /unexpected commit digest sha256:\w+, expected sha256:\w+/)
    assert.deepEqual(await world.left(), [])
    await pullCut(world, 3_000_000)
    world.registry.serve('app', IMAGE())
    await world.pull()
    assert.deepEqual(await world.left(), PULLED)
  }))

test('after a day it goes, where nobody comes back', () =>
  withWorld(async (world) => {
    await pullCut(world, 3_000_000)
    world.services.leases.expire(Date.now() + KEPT_MS + 1)
    await world.services.content.sweep(-1)
    assert.deepEqual(await world.left(), [])
  }))

test('a layer that claims to be larger than the disk is not begun, and nothing of it stays', () =>
  withWorld(async (world) => {
    const descriptor = { mediaType: MEDIA_TYPE.ociLayerGzip, digest: digestOf(LAYER) as Digest, size: 2 ** 52 }
    world.registry.serve(
      'app',
      fakeImage([{ bytes: LAYER, diffId: digestOf(LAYER) }], { manifest: { layers: [descriptor] } }),
    )
    await assert.rejects(world.pull(), { code: 'resource-exhausted', message: /no space left on device/ })
    assert.ok(!world.registry.requests.some(({ line }) => line.includes(digestOf(LAYER))))
    assert.deepEqual(await world.left(), [])
  }))
