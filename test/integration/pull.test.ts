// Pulls from Debian's docker-registry, and from registries that misbehave on purpose.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Failure } from '../../src/base/failure.ts'
import { imageFile, makeImage } from '../../src/image/make-image.ts'
import { OciLayout } from '../../src/image/oci-layout.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { MEDIA_TYPE } from '../../src/oci/media-type.ts'
import { parseReference } from '../../src/oci/parse-reference.ts'
import { pullImage } from '../../src/registry/client/pull-image.ts'
import type { BlobSink, BlobSource, PullRequest } from '../../src/registry/client/puller.ts'
import { pushImage } from '../../src/registry/client/push-image.ts'
import { must } from '../harness/command.ts'
import { pushImage as pushBySkopeo } from '../harness/images.ts'
import { startRegistry } from '../harness/registry.ts'

const root = mkdtempSync(join(tmpdir(), 'berth-pull-'))
after(() => rmSync(root, { recursive: true, force: true }))

class MemorySink implements BlobSink {
  readonly blobs = new Map<string, Buffer>()
  readonly types = new Map<string, string>()

  async has({ digest }: Descriptor): Promise<boolean> {
    return this.blobs.has(digest)
  }

  async write(descriptor: Descriptor, source: BlobSource): Promise<void> {
    const parts: Uint8Array[] = []
    for await (const part of typeof source === 'function' ? source(0) : source) parts.push(Buffer.from(part))
    const bytes = Buffer.concat(parts)
    if (bytes.length !== descriptor.size || digestOf(bytes) !== descriptor.digest)
      throw new Failure('failed-precondition', 'sink: unexpected content')
    this.blobs.set(descriptor.digest, bytes)
    this.types.set(descriptor.digest, descriptor.mediaType)
  }

  async read({ digest }: Descriptor): Promise<Uint8Array> {
    return this.blobs.get(digest)!
  }
}

function request(name: string, fields: Partial<PullRequest> = {}): PullRequest & { sink: MemorySink } {
  return {
    reference: parseReference(name),
    platform: { os: 'linux', architecture: 'amd64' },
    auth: undefined,
    insecureRegistries: [],
    mirrors: [],
    maxConcurrentDownloads: 3,
    progress: { onLayer() {} },
    onLayerStored() {},
    signal: AbortSignal.timeout(30_000),
    ...fields,
    sink: (fields.sink as MemorySink | undefined) ?? new MemorySink(),
  }
}

async function makeTar(name: string, content: string): Promise<string> {
  const directory = join(root, `${name}-tree`)
  mkdirSync(directory)
  writeFileSync(join(directory, name), content)
  await must(['tar', '-C', directory, '-cf', join(root, `${name}.tar`), '.'])
  return join(root, `${name}.tar`)
}

test('an image pushed by skopeo, with gzip and zstd layers, is pulled whole', async () => {
  await using registry = await startRegistry(join(root, 'plain'))
  const layers = [
    { tar: await makeTar('one', 'first'), compression: 'gzip' as const },
    { tar: await makeTar('two', 'x'.repeat(500_000)), compression: 'zstd' as const },
    { tar: await makeTar('three', 'third'), compression: 'none' as const },
  ]
  await pushBySkopeo(registry.host, 'some/app:1.0', { layers, config: { Cmd: ['true'] } })
  const stored: number[] = []
  const states = new Map<string, Set<string>>()
  const pull = request(`${registry.host}/some/app:1.0`, {
    onLayerStored: (_, index) => stored.push(index),
    progress: {
      onLayer: ({ digest }, state) => void states.set(digest, (states.get(digest) ?? new Set()).add(state)),
    },
  })
  const image = await pullImage(pull)
  assert.deepEqual(stored.sort(), [0, 1, 2])
  assert.deepEqual(
    image.layers.map(({ mediaType }) => mediaType.replace(/.*tar/, '')),
    ['+gzip', '+zstd', '+gzip'] /* skopeo packs what is plain */,
  )
  assert.equal(pull.sink.blobs.size, 5)
  for (const layer of image.layers)
    assert.deepEqual([...states.get(layer.digest)!], ['waiting', 'downloading', 'verifying', 'downloaded'])
  // Again: all is there, nothing is fetched.
  const again: string[] = []
  await pullImage(
    request(`${registry.host}/some/app:1.0`, {
      sink: pull.sink,
      progress: { onLayer: (_, state) => again.push(state) },
    }),
  )
  assert.deepEqual(
    again.filter((state) => state !== 'waiting'),
    ['exists', 'exists', 'exists'],
  )
  // By digest.
  const byDigest = await pullImage(request(`${registry.host}/some/app@${image.root.digest}`))
  assert.deepEqual(byDigest.root, image.root)
  const missing = (name: string) => pullImage(request(`${registry.host}/${name}`))
  await assert.rejects(missing('some/app:2.0'), {
    code: 'not-found',
    message: `manifest for ${registry.host}/some/app:2.0 not found: manifest unknown: manifest unknown`,
  })
  await assert.rejects(missing(`some/app@sha256:${'0'.repeat(64)}`), /not found: manifest unknown/)
})

test('a registry that wants a password gets it, and nothing without', async () => {
  const htpasswd = join(root, 'htpasswd')
  writeFileSync(htpasswd, 'user:$2b$04$9hj5atNaYzbMg1cj6Ul8quSOLclfo4HBol.1q3NXeV5wesw.0apiC\n')
  await using registry = await startRegistry(join(root, 'auth'), { htpasswd })
  const name = `${registry.host}/private:latest`
  const layout = await OciLayout.open(join(root, 'layout'))
  const manifest = await makeImage(layout, {
    layers: [[imageFile('hello', { content: 'hi' })]],
    config: { Cmd: ['/hello'] },
  })
  const auth = { username: 'user', password: 'secret' }
  const nothing = () => {}
  const push = {
    reference: { ...parseReference(name), tag: 'latest' },
    root: manifest,
    source: layout,
    insecureRegistries: [],
    maxConcurrentUploads: 5,
    mountFrom: undefined,
    progress: { preparing: nothing, waiting: nothing, pushing: nothing, retrying: nothing, pushed: nothing },
    signal: AbortSignal.timeout(10_000),
  }
  await assert.rejects(pushImage({ ...push, auth: undefined }), /no basic auth credentials/)
  await pushImage({ ...push, auth })
  assert.equal((await pullImage(request(name, { auth }))).manifest.digest, manifest.digest)
  await assert.rejects(pullImage(request(name)), { code: 'unauthenticated', message: /: no basic auth credentials$/ })
  await assert.rejects(pullImage(request(name, { auth: { username: 'user', password: 'wrong' } })), {
    code: 'unauthenticated',
    message: 'unauthorized: authentication required',
  })
  const inspected = JSON.parse(
    await must(['skopeo', 'inspect', '--tls-verify=false', '--creds', 'user:secret', `docker://${name}`]),
  ) as { Digest: string }
  assert.equal(inspected.Digest, manifest.digest, 'skopeo agrees with what was pushed')
})

test('a registry that is down is told as Go tells it', async () => {
  await assert.rejects(pullImage(request('127.0.0.1:1/x')), {
    code: 'unavailable',
    message: 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
  })
})

interface Fake extends AsyncDisposable {
  host: string
  requests: { url: string; headers: Record<string, string | string[] | undefined> }[]
}

async function fakeRegistry(
  listener: (fake: Fake) => (...exchange: Parameters<RequestListener>) => unknown,
): Promise<Fake> {
  const requests: Fake['requests'] = []
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const fake: Fake = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  const answer = listener(fake)
  server.on('request', (incoming, response) => {
    requests.push({ url: `${incoming.method} ${incoming.url}`, headers: incoming.headers })
    if (incoming.url === '/v2/') response.end('{}')
    else answer(incoming, response)
  })
  return fake
}

interface Served {
  manifest: Buffer
  layer: Buffer
  blobs: Map<string, Buffer>
}

function serve(): Served {
  const layer = Buffer.alloc(300_000, 'layer')
  const config = Buffer.from(
    JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [digestOf(layer)] } }),
  )
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      config: { mediaType: MEDIA_TYPE.ociConfig, digest: digestOf(config), size: config.length },
      layers: [{ mediaType: MEDIA_TYPE.ociLayer, digest: digestOf(layer), size: layer.length }],
    }),
  )
  return {
    manifest,
    layer,
    blobs: new Map([
      [digestOf(config), config],
      [digestOf(layer), layer],
    ]),
  }
}

function blobOf(served: Served, url: string): Buffer | undefined {
  return served.blobs.get(/\/blobs\/(.*)$/.exec(url)?.[1] ?? '')
}

test('a connection cut in the middle of a layer is taken up where it broke', async () => {
  const served = serve()
  let cuts = 0
  await using registry = await fakeRegistry(() => (incoming, response): unknown => {
    const blob = blobOf(served, incoming.url ?? '')
    if (!blob) return response.setHeader('content-type', MEDIA_TYPE.ociManifest).end(served.manifest)
    const start = Number(/bytes=(\d+)-/.exec(incoming.headers.range ?? '')?.[1] ?? 0)
    if (start > 0) response.writeHead(206, { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` })
    if (blob !== served.layer || cuts === 2) return response.end(blob.subarray(start))
    cuts++
    return response.write(blob.subarray(start, start + 100_000), () => response.destroy())
  })
  const pull = request(`${registry.host}/x`)
  await pullImage(pull)
  assert.equal(cuts, 2)
  assert.deepEqual(pull.sink.blobs.get(digestOf(served.layer)), served.layer)
  const ranges = registry.requests.map(({ headers }) => headers['range']).filter(Boolean)
  assert.equal(ranges.length, 2, 'only what was missing is asked for')
})

test('layers that are not what the manifest promised are refused and leave nothing', async () => {
  for (const [what, damage, message] of [
    [
      'other bytes',
      (blob: Buffer) => Buffer.alloc(blob.length, 'other'),
      /filesystem layer verification failed for digest sha256:/,
    ],
    [
      'too many bytes',
      (blob: Buffer) => Buffer.concat([blob, blob]),
      /filesystem layer verification failed for digest sha256:/,
    ],
  ] as const) {
    const served = serve()
    await using registry = await fakeRegistry(() => (incoming, response) => {
      const blob = blobOf(served, incoming.url ?? '')
      if (!blob) response.setHeader('content-type', MEDIA_TYPE.ociManifest).end(served.manifest)
      else response.end(blob === served.layer ? damage(blob) : blob)
    })
    const pull = request(`${registry.host}/x`)
    await assert.rejects(pullImage(pull), { code: 'data-loss', message }, what)
    assert.ok(!pull.sink.blobs.has(digestOf(served.layer)), what)
  }
})

test('manifests that lie are refused', async () => {
  const served = serve()
  const text = served.manifest.toString()
  const both = Buffer.from(JSON.stringify({ ...(JSON.parse(text) as object), manifests: [] }))
  const cases: [string, Record<string, string>, Buffer, RegExp][] = [
    [
      'other digest than announced',
      { 'docker-content-digest': digestOf('x') },
      served.manifest,
      /manifest verification failed for digest sha256:/,
    ],
    ['index and manifest at once', {}, both, /holds what belongs to an index/],
    ['another type than announced', { 'content-type': MEDIA_TYPE.dockerManifest }, served.manifest, /calls itself/],
    ['no JSON', {}, Buffer.from('<html>'), /manifest: /],
    ['five megabytes', {}, Buffer.alloc(5 << 20, ' '), /larger than 4194304 bytes/],
    ['an unknown kind', { 'content-type': 'text/html' }, Buffer.from('{}'), /unsupported manifest media type/],
  ]
  for (const [what, headers, body, message] of cases) {
    await using registry = await fakeRegistry(() => (_, response) => {
      response.writeHead(200, { 'content-type': MEDIA_TYPE.ociManifest, ...headers }).end(body)
    })
    await assert.rejects(pullImage(request(`${registry.host}/x`)), { message }, what)
  }
})

test('the platform that fits is chosen out of an index', async () => {
  const served = serve()
  const entry = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf(served.manifest), size: served.manifest.length }
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociIndex,
      manifests: [
        { ...entry, digest: digestOf('arm'), platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
        { ...entry, digest: digestOf('attestation'), platform: { os: 'unknown', architecture: 'unknown' } },
        { ...entry, platform: { os: 'linux', architecture: 'amd64' } },
      ],
    }),
  )
  await using registry = await fakeRegistry(() => (incoming, response) => {
    const blob = blobOf(served, incoming.url ?? '')
    if (blob) response.end(blob)
    else if (incoming.url?.includes('sha256:'))
      response.setHeader('content-type', MEDIA_TYPE.ociManifest).end(served.manifest)
    else response.setHeader('content-type', MEDIA_TYPE.ociIndex).end(index)
  })
  const image = await pullImage(request(`${registry.host}/x`))
  assert.equal(image.root.digest, digestOf(index))
  assert.equal(image.manifest.digest, entry.digest)
  await assert.rejects(pullImage(request(`${registry.host}/x`, { platform: { os: 'linux', architecture: 's390x' } })), {
    code: 'not-found',
    message: 'no matching manifest for linux/s390x in the manifest list entries',
  })
})

test('tokens are fetched with credentials, and no redirect carries them away', async () => {
  const served = serve()
  const secret = `Basic ${Buffer.from('user:secret').toString('base64')}`
  await using elsewhere = await fakeRegistry(() => (incoming, response) => {
    const blob = blobOf(served, incoming.url ?? '')
    response.end(blob)
  })
  await using registry = await fakeRegistry((fake) => (incoming, response): unknown => {
    if (incoming.url?.startsWith('/token')) return response.end(JSON.stringify({ token: 'good-token' }))
    if (incoming.headers.authorization !== 'Bearer good-token') {
      const challenge = `Bearer realm="http://${fake.host}/token",service="reg",scope="repository:x:pull"`
      return response.writeHead(401, { 'www-authenticate': challenge }).end()
    }
    if (blobOf(served, incoming.url ?? ''))
      return response
        .writeHead(307, { location: `http://${elsewhere.host.replace('127.0.0.1', 'localhost')}${incoming.url}` })
        .end()
    return response.setHeader('content-type', MEDIA_TYPE.ociManifest).end(served.manifest)
  })
  await pullImage(request(`${registry.host}/x`, { auth: { username: 'user', password: 'secret' } }))
  const asked = registry.requests.filter(({ url }) => url.includes('/token'))
  assert.equal(asked.length, 1)
  assert.equal(asked[0]?.headers['authorization'], secret)
  assert.match(asked[0]!.url, /service=reg&scope=repository%3Ax%3Apull&account=user/)
  assert.equal(elsewhere.requests.length, 2)
  assert.ok(elsewhere.requests.every(({ headers }) => headers['authorization'] === undefined))
})

test('a realm of another site is not shown the password, nor is a redirect’s challenge answered', async () => {
  await using thief = await fakeRegistry(() => (_, response) => {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="give"' }).end()
  })
  const away = thief.host.replace('127.0.0.1', 'localhost')
  const auth = { username: 'user', password: 'secret' }
  await using greedy = await fakeRegistry(() => (_, response) => {
    response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${away}/token",service="s"` }).end()
  })
  await assert.rejects(pullImage(request(`${greedy.host}/x`, { auth })), {
    code: 'permission-denied',
    message: /not its own site/,
  })
  await using redirecting = await fakeRegistry(() => (incoming, response) => {
    response.writeHead(307, { location: `http://${away}${incoming.url}` }).end()
  })
  await assert.rejects(pullImage(request(`${redirecting.host}/x`, { auth })), /unauthorized: authentication required/)
  assert.ok(thief.requests.every(({ headers }) => headers['authorization'] === undefined))
})

test('a repository that is private or missing is told as Docker tells it', async () => {
  await using registry = await fakeRegistry((fake) => (incoming, response) => {
    if (incoming.url?.startsWith('/token')) return response.end(JSON.stringify({ access_token: 'anonymous' }))
    const error = incoming.headers.authorization === undefined ? '' : ',error="insufficient_scope"'
    const challenge = `Bearer realm="http://${fake.host}/token",service="s"${error}`
    response.writeHead(401, { 'www-authenticate': challenge })
    return response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }))
  })
  await assert.rejects(pullImage(request(`${registry.host}/nope`)), {
    code: 'not-found',
    message: `pull access denied for ${registry.host}/nope, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
  })
})

test('an identity token is exchanged for one of the registry', async () => {
  const served = serve()
  let form = ''
  await using registry = await fakeRegistry((fake) => (incoming, response) => {
    if (incoming.method === 'POST') {
      incoming.on('data', (part) => {
        form += part
      })
      return incoming.on('end', () => response.end(JSON.stringify({ access_token: 'exchanged' })))
    }
    if (incoming.headers.authorization !== 'Bearer exchanged')
      return response
        .writeHead(401, { 'www-authenticate': `Bearer realm="http://${fake.host}/token",service="s"` })
        .end()
    const blob = blobOf(served, incoming.url ?? '')
    return blob ? response.end(blob) : response.setHeader('content-type', MEDIA_TYPE.ociManifest).end(served.manifest)
  })
  await pullImage(request(`${registry.host}/x`, { auth: { identityToken: 'refresh-me' } }))
  assert.equal(
    form,
    'grant_type=refresh_token&refresh_token=refresh-me&service=s&client_id=docker&scope=repository%3Ax%3Apull',
  )
})

test('a kept connection that the registry has closed is replaced', async () => {
  const served = serve()
  let isClosed = false
  await using registry = await fakeRegistry(() => (incoming, response) => {
    const blob = blobOf(served, incoming.url ?? '')
    if (blob) return response.end(blob)
    // The manifest is asked for over the connection of the first contact, which ends without an answer.
    if (isClosed) return response.setHeader('content-type', MEDIA_TYPE.ociManifest).end(served.manifest)
    isClosed = true
    return incoming.socket.destroy()
  })
  await pullImage(request(`${registry.host}/x`))
  assert.ok(isClosed)
})

test('an aborted pull stops', async () => {
  const served = serve()
  const stop = new AbortController()
  await using registry = await fakeRegistry(() => (incoming, response): unknown => {
    const blob = blobOf(served, incoming.url ?? '')
    if (!blob) return response.setHeader('content-type', MEDIA_TYPE.ociManifest).end(served.manifest)
    if (blob !== served.layer) return response.end(blob)
    response.write(blob.subarray(0, 1000))
    return setImmediate(() => stop.abort(new Failure('cancelled', 'context canceled')))
  })
  await assert.rejects(pullImage(request(`${registry.host}/x`, { signal: stop.signal })), { code: 'cancelled' })
})

test('a mirror is asked first and may fail', async () => {
  const served = serve()
  await using broken = await fakeRegistry(() => (_, response) => response.writeHead(500).end())
  await using mirror = await fakeRegistry(() => (incoming, response) => {
    const blob = blobOf(served, incoming.url ?? '')
    if (blob) response.end(blob)
    else response.setHeader('content-type', MEDIA_TYPE.ociManifest).end(served.manifest)
  })
  const auth = { username: 'hub', password: 'secret' }
  const image = await pullImage(
    request('busybox', { mirrors: [`http://${broken.host}`, `http://${mirror.host}/`], auth }),
  )
  assert.equal(image.manifest.digest, digestOf(served.manifest))
  assert.match(mirror.requests.map(({ url }) => url).join(), /\/v2\/library\/busybox\/manifests\/latest/)
  assert.ok(mirror.requests.every(({ headers }) => headers['authorization'] === undefined))
})

test('layouts hold what was written, under the name it was given', async () => {
  const layout = await OciLayout.open(join(root, 'named'))
  const manifest = await makeImage(layout, { layers: [[imageFile('a')]], config: {} })
  await layout.tag(manifest, 'app:1')
  const again = await OciLayout.open(join(root, 'named'))
  assert.equal((await again.find('app:1'))?.digest, manifest.digest)
  const bytes = await again.read(manifest, 1 << 20)
  assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, manifest.digest)
  await must(['skopeo', 'inspect', `oci:${join(root, 'named')}:app:1`])
})
