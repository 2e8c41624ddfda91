// A push to a registry in this process that says what the test wants it to say.
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { collect, MemoryBlobs } from '../../../test/harness/memory-blobs.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { type Digest, digestOf } from '../../oci/digest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { pushImage, type PushRequest } from './push-image.ts'

type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => boolean | undefined

interface Registry extends AsyncDisposable {
  host: string
  blobs: Map<string, Buffer>
  /** In the order that they came. */
  manifests: string[]
  /** `POST /v2/a/b/blobs/uploads/`. */
  lines: string[]
}

async function startRegistry(answer: Answer = () => undefined): Promise<Registry> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const registry: Registry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    blobs: new Map(),
    manifests: [],
    lines: [],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  server.on('request', (request, response) => {
    void collect(request).then(
      (body) => {
        registry.lines.push(`${request.method} ${request.url}`)
        if (answer(request, response, body) !== true) serve(registry, request, response, body)
      },
      () => {}, // the client has ended the request
    )
  })
  return registry
}

function serve(
  registry: Registry,
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
): void {
  const { pathname, searchParams } = new URL(url, 'http://registry')
  const digest = searchParams.get('digest') ?? pathname.split('/').at(-1) ?? ''
  const end = (status: number) => void response.writeHead(status).end()
  if (pathname === '/v2/') return end(200)
  if (method === 'HEAD') return end(registry.blobs.has(digest) ? 200 : 404)
  if (method === 'POST') return void response.writeHead(202, { location: '/upload/1' }).end()
  if (pathname.includes('/manifests/')) registry.manifests.push(digest)
  else registry.blobs.set(digest, body)
  end(201)
}

interface TestImage {
  root: Descriptor
  layers: Descriptor[]
  config: Descriptor
}

function imageIn(blobs: MemoryBlobs, layers: readonly [mediaType: string, content: string][]): TestImage {
  const config = { mediaType: MEDIA_TYPE.ociConfig, ...blobs.put('{"rootfs":{}}') }
  const described = layers.map(([mediaType, content]) => ({ mediaType, ...blobs.put(content) }))
  const document = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: described }
  return {
    root: { mediaType: MEDIA_TYPE.ociManifest, ...blobs.put(JSON.stringify(document)) },
    layers: described,
    config,
  }
}

const LAYERS: [string, string][] = [
  [MEDIA_TYPE.ociLayerGzip, 'the lowest'],
  [MEDIA_TYPE.ociLayerGzip, 'the middle'],
  [MEDIA_TYPE.ociLayerGzip, 'the topmost'],
]

/** Resolves with what was told of the layers: `middle Pushed`. */
async function push(registry: Registry, blobs: MemoryBlobs, root: Descriptor, more: Partial<PushRequest> = {}) {
  const told: string[] = []
  const tell = (what: string) => (layer: Descriptor) => {
    told.push(`${blobs.require(layer.digest).toString().split(' ')[1]} ${what}`)
  }
  await pushImage({
    reference: { domain: registry.host, path: 'team/app', tag: 'v1', digest: undefined },
    root,
    source: { read: (descriptor, sizeMax) => blobs.read(descriptor, sizeMax), stream: (one) => blobs.stream(one) },
    auth: undefined,
    insecureRegistries: [],
    maxConcurrentUploads: 1,
    mountFrom: undefined,
    progress: {
      preparing: tell('preparing'),
      waiting: tell('waiting'),
      pushing: () => {},
      retrying: (layer, seconds) => tell(`again in ${seconds}`)(layer),
      pushed: (layer, how, from) => tell(how === 'mounted' ? `mounted from ${from}` : how)(layer),
    },
    clock: { now: () => 0, monotonic: () => 0, sleep: async () => {} },
    signal: new AbortController().signal,
    ...more,
  })
  return told
}

const digestsOf = (descriptors: readonly { digest: Digest }[]) => descriptors.map(({ digest }) => digest)

test('layers are told of from the top, and the manifest comes when all that it names is there', async () => {
  await using registry = await startRegistry()
  const blobs = new MemoryBlobs()
  const { root, layers, config } = imageIn(blobs, LAYERS)
  registry.blobs.set(layers[1]!.digest, Buffer.from('there already'))
  const told = await push(registry, blobs, root)
  assert.deepEqual(told, [
    ...['topmost', 'middle', 'lowest'].map((name) => `${name} preparing`),
    ...['middle waiting', 'lowest waiting'],
    ...['topmost sent', 'middle exists', 'lowest sent'],
  ])
  assert.deepEqual([...registry.blobs.keys()].sort(), digestsOf([config, ...layers]).sort())
  assert.equal(registry.blobs.get(layers[0]!.digest)?.toString(), 'the lowest')
  assert.equal(registry.lines.at(-1), 'PUT /v2/team/app/manifests/v1')
})

test('of an index the manifests go by their digests, the index by the tag, and it is last', async () => {
  await using registry = await startRegistry()
  const blobs = new MemoryBlobs()
  const images = ['one', 'two'].map((name) => imageIn(blobs, [[MEDIA_TYPE.ociLayer, `layer ${name}`]]))
  const manifests = images.map(({ root }) => root)
  const index = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests })
  await push(registry, blobs, { mediaType: MEDIA_TYPE.ociIndex, ...blobs.put(index) })
  assert.deepEqual(registry.manifests, [...digestsOf(manifests), 'v1'])
})

test('a layer that another repository has is taken from there, one that it has not is sent', async () => {
  const blobs = new MemoryBlobs()
  const { root, layers } = imageIn(blobs, LAYERS)
  const known = new Set(digestsOf(layers.slice(0, 2)))
  await using registry = await startRegistry(({ method, url = '' }, response) => {
    const mount = new URL(url, 'http://registry').searchParams.get('mount')
    if (method !== 'POST' || mount === null || !known.has(mount as Digest)) return false
    response.writeHead(201).end()
    return true
  })
  const told = await push(registry, blobs, root, { mountFrom: 'team/base', maxConcurrentUploads: 5 })
  assert.deepEqual(told.slice(3).sort(), [
    'lowest mounted from team/base',
    'middle mounted from team/base',
    'topmost sent',
  ])
  assert.ok(
    registry.lines.some((line) => line.endsWith(`mount=${encodeURIComponent(layers[2]!.digest)}&from=team%2Fbase`)),
  )
})

test('a layer that may not be copied is left to where its licence leaves it', async () => {
  await using registry = await startRegistry()
  const blobs = new MemoryBlobs()
  const foreign: [string, string] = [MEDIA_TYPE.dockerForeignLayer, 'the foreign']
  const { root, layers } = imageIn(blobs, [foreign, ...LAYERS])
  blobs.blobs.delete(layers[0]!.digest)
  const told = await push(registry, blobs, root)
  assert.equal(told.length, 3 + 2 + 3)
  assert.ok(!registry.blobs.has(layers[0]!.digest))
})

test('a registry that is overwhelmed is asked again, later each time, and at last given up', async () => {
  let failures = 2
  await using registry = await startRegistry(({ method, url = '' }, response) => {
    if (method !== 'PUT' || !url.includes(encodeURIComponent(topmost)) || failures-- <= 0) return false
    response.writeHead(503).end()
    return true
  })
  const blobs = new MemoryBlobs()
  const { root } = imageIn(blobs, LAYERS)
  const topmost = digestOf('the topmost')
  const told = await push(registry, blobs, root)
  const waits = [...counting(5), ...counting(10)].map((seconds) => `topmost again in ${seconds}`)
  assert.deepEqual(
    told.filter((line) => line.includes('again')),
    waits,
  )
  assert.ok(told.includes('topmost sent'))
  failures = 1000
  registry.blobs.clear()
  await assert.rejects(push(registry, blobs, root), {
    message: 'received unexpected HTTP status: 503 Service Unavailable',
  })
  assert.equal(registry.manifests.length, 1, 'nothing names what is not there')
})

function counting(from: number): number[] {
  return Array.from({ length: from }, (_, index) => from - index)
}

test('a registry that refuses is not asked again, and its words are told', async () => {
  let asked = 0
  await using registry = await startRegistry(({ method }, response) => {
    if (method !== 'POST') return false
    asked++
    const errors = [{ code: 'DENIED', message: 'requested access to the resource is denied' }]
    response.writeHead(403, { 'content-type': 'application/json' }).end(JSON.stringify({ errors }))
    return true
  })
  const blobs = new MemoryBlobs()
  const { root } = imageIn(blobs, LAYERS)
  await assert.rejects(push(registry, blobs, root), {
    code: 'forbidden',
    message: 'denied: requested access to the resource is denied',
  })
  assert.equal(asked, 1)
})

test('a registry that is not there is told of at once', async () => {
  const blobs = new MemoryBlobs()
  const { root } = imageIn(blobs, LAYERS)
  const nobody = { ...(await startRegistry()) }
  await nobody[Symbol.asyncDispose]()
  await assert.rejects(push(nobody, blobs, root), {
    code: 'unavailable',
    message: `Get "http://${nobody.host}/v2/": dial tcp ${nobody.host}: connect: connection refused`,
  })
})
