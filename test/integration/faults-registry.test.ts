// Registries that are down, broken, lying or malicious: Docker's words for the user, and nothing of what came is kept.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { after, before, beforeEach, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { imageFile } from '../../src/image/make-image.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { MEDIA_TYPE } from '../../src/oci/media-type.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { call } from '../harness/api.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { fakeImage, type FakeRegistry, layerOf, startFakeRegistry } from '../harness/fake-registry.ts'
import { listLeavings, nothingBut } from '../harness/leavings.ts'
import { startRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: FakeRegistry
let empty: string[]

before(async () => {
  engine = await startEngine({ cgroups: 'own' })
  registry = await startFakeRegistry()
  empty = await listLeavings(engine)
})

beforeEach(() => {
  registry.interfere = undefined
  registry.requests.splice(0)
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

/** The pull must fail as `expected` says and leave nothing. */
async function refused(name: string, expected: RegExp): Promise<void> {
  const pull = await engine.docker(['pull', name], { timeoutMs: 30_000 })
  assert.match(pull.stderr, expected)
  assert.equal(pull.code, 1)
  await nothingBut(empty, engine)
}

const say = (status: number, contentType: string, body: string) => (_: unknown, response: ServerResponse) => {
  response.writeHead(status, { 'content-type': contentType })
  response.end(body)
  return true
}

const random = (size: number) => Buffer.from(Array.from({ length: size }, (_, i) => (i * 7919 + (i >> 8) * 31) & 255))

test('a registry that is down, an unknown image, an unknown tag', { skip: skipWithoutDocker28 }, async () => {
  await refused(
    '127.0.0.1:1/x',
    /Get "http:\/\/127\.0\.0\.1:1\/v2\/": dial tcp 127\.0\.0\.1:1: connect: connection refused/,
  )
  await refused(
    `${registry.host}/nothing:here`,
    /manifest for 127\.0\.0\.1:\d+\/nothing:here not found: manifest unknown: manifest unknown/,
  )
  await refused('lower/Upper', /invalid reference format: repository name \(lower\/Upper\) must be lowercase/)
})

test('run of an image that is nowhere exits with 125', async () => {
  const run = await engine.docker(['run', '--rm', `${registry.host}/nothing`, 'true'])
  assert.equal(run.code, 125)
  assert.match(run.stderr, /Unable to find image '127\.0\.0\.1:\d+\/nothing:latest' locally/)
  assert.match(run.stderr, /not found: manifest unknown/)
  const never = await engine.docker(['run', '--rm', '--pull', 'never', 'nothing', 'true'])
  assert.equal(never.code, 125)
  assert.match(never.stderr, /No such image: nothing:latest/)
  await nothingBut(empty, engine)
})

test('a registry that answers with errors, garbage or a web page', async () => {
  const name = `${registry.host}/app`
  registry.interfere = say(500, 'application/json', '{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}')
  await refused(name, /received unexpected HTTP status: 500 Internal Server Error/)
  registry.interfere = say(503, 'text/html', '<html>busy</html>')
  await refused(name, /received unexpected HTTP status: 503 Service Unavailable/)
  registry.interfere = say(
    401,
    'application/json',
    '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}',
  )
  await refused(name, /unauthorized: authentication required/)
  registry.interfere = (request, response) =>
    request.url === '/v2/'
      ? false
      : say(200, 'text/html', '<html>hello, this is a captive portal</html>')(request, response)
  await refused(name, /invalid character '<' looking for beginning of value/)
  registry.interfere = (request, response) =>
    request.url === '/v2/' ? false : say(200, MEDIA_TYPE.ociManifest, '\0\u0001garbage')(request, response)
  await refused(name, /invalid character '\\x00' looking for beginning of value/)
})

test('manifests that are too large, of two kinds at once, of an unknown kind or with broken parts', async () => {
  const layer = await layerOf(imageFile('file', { content: 'x' }))
  const good = fakeImage([layer])
  const cases: [what: string, image: ReturnType<typeof fakeImage>, expected: RegExp][] = [
    [
      'oversize',
      {
        ...good,
        manifest: Buffer.concat([good.manifest.subarray(0, -1), Buffer.alloc(8 << 20, ' '), Buffer.from('}')]),
      },
      /larger|too large|exceeds|size/i,
    ],
    ['both', fakeImage([layer], { manifest: { manifests: [] } }), /manifest holds what belongs to an index/],
    [
      'unknown',
      { ...good, manifestType: 'application/vnd.example+json' },
      /was announced as application\/vnd\.example\+json/,
    ],
    ['no-layers', fakeImage([layer], { manifest: { layers: 'none' } }), /layers/],
    [
      'negative',
      fakeImage([layer], {
        manifest: { layers: [{ mediaType: MEDIA_TYPE.ociLayerGzip, digest: layer.diffId, size: -1 }] },
      }),
      /size/,
    ],
    [
      'bad-digest',
      fakeImage([layer], {
        manifest: { layers: [{ mediaType: MEDIA_TYPE.ociLayerGzip, digest: 'sha256:../../x', size: 1 }] },
      }),
      /digest/,
    ],
    ['config', fakeImage([layer], { config: Buffer.from('{"rootfs": ') }), /config|JSON/i],
    ['config-kind', fakeImage([layer], { config: Buffer.from('[]') }), /config|image/i],
    [
      'diff-count',
      fakeImage([layer], {
        config: Buffer.from('{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}'),
      }),
      /layer|rootfs|diff/i,
    ],
    [
      'layer-type',
      fakeImage([{ ...layer, mediaType: 'application/vnd.example.layer' }]),
      /media type|unsupported|layer/i,
    ],
    [
      'diff-id',
      fakeImage([{ ...layer, diffId: digestOf(Buffer.from('something else')) }]),
      /diff ?id|wrong|mismatch|digest/i,
    ],
  ]
  for (const [what, image, expected] of cases) {
    registry.serve(`case/${what}`, image)
    await refused(`${registry.host}/case/${what}`, expected)
  }
})

test('a layer with other bytes than its digest, a byte too many or too few', async () => {
  const content = random(200_000)
  const layer = await layerOf(imageFile('file', { content }))
  const other = Buffer.from(layer.bytes)
  other[1000] = (other[1000] ?? 0) ^ 1
  for (const [what, bytes] of [
    ['other', other],
    ['more', Buffer.concat([layer.bytes, Buffer.from('!')])],
    ['less', layer.bytes.subarray(0, -1)],
  ] as const) {
    const image = fakeImage([layer])
    image.blobs.set(digestOf(layer.bytes), bytes)
    registry.serve(`wrong/${what}`, image)
    await refused(
      `${registry.host}/wrong/${what}`,
      /filesystem layer verification failed for digest sha256:[0-9a-f]{64}|unexpected EOF/,
    )
  }
})

test('a connection that is cut once is taken up again; one that always is, is an error', async () => {
  const layer = await layerOf(imageFile('file', { content: random(400_000) }))
  registry.serve('cut', fakeImage([layer]))
  let cuts = 0
  const cut = (cutsMax: number) => {
    cuts = 0
    registry.interfere = (request, response) => {
      if (!request.url?.endsWith(digestOf(layer.bytes)) || cuts >= cutsMax) return false
      cuts++
      response.writeHead(200, { 'content-length': layer.bytes.length })
      response.write(layer.bytes.subarray(0, 100), () => response.destroy())
      return true
    }
  }
  cut(1)
  await engine.ok('pull', '-q', `${registry.host}/cut`)
  assert.equal(cuts, 1)
  await engine.ok('rmi', `${registry.host}/cut`)
  await nothingBut(empty, engine)
  cut(Number.POSITIVE_INFINITY)
  await refused(`${registry.host}/cut`, /unexpected EOF/)
})

/** Until whoever reads is gone. */
function sendForever(response: ServerResponse, part: Buffer): void {
  while (!response.destroyed)
    if (!response.write(part)) return void response.once('drain', () => sendForever(response, part))
}

/** Peak memory of the two daemons since the last `forgetPeaks`, in KiB. */
const peaks = () =>
  [engine.enginePid(), engine.containerdPid()].map((pid) =>
    Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
  )
const forgetPeaks = () => {
  for (const pid of [engine.enginePid(), engine.containerdPid()]) writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

test('answers without an end, wherever they come, are left, and take no memory', async (t) => {
  const layer = await layerOf(imageFile('file', { content: random(100_000) }))
  const image = fakeImage([layer])
  const [config = ''] = image.blobs.keys()
  registry.serve('endless', image)
  const endless = (part: string, status: number, contentType: string) => {
    registry.interfere = (request, response) => {
      if (!request.url?.includes(part)) return false
      response.writeHead(status, { 'content-type': contentType })
      sendForever(response, Buffer.alloc(65_536, ' '))
      return true
    }
  }
  const name = `${registry.host}/endless`
  await refused(`${registry.host}/nothing`, /manifest unknown/)
  forgetPeaks()
  const before = peaks()
  const cases: [part: string, status: number, contentType: string, expected: RegExp][] = [
    ['/manifests/', 200, MEDIA_TYPE.ociManifest, /answer is larger than \d+ bytes/],
    ['/manifests/', 500, 'text/html', /answer is larger than \d+ bytes|500 Internal Server Error/],
    [config, 200, 'application/octet-stream', /content is longer than its descriptor says/],
    [digestOf(layer.bytes), 200, 'application/octet-stream', /content is longer than its descriptor says/],
    [digestOf(layer.bytes), 403, 'application/json', /403 Forbidden|denied/],
  ]
  for (const [part, status, contentType, expected] of cases) {
    endless(part, status, contentType)
    await refused(name, expected)
  }
  // A head without an end.
  registry.interfere = (_, response) => {
    const { socket } = response
    socket?.on('error', () => {}) // the other side gives up, which is what is wanted
    socket?.write('HTTP/1.1 200 OK\r\n')
    for (let at = 0; at < 10_000; at++) socket?.write(`x-${at}: ${'y'.repeat(1000)}\r\n`)
    return true
  }
  await refused(name, /Header|header/)
  const grown = peaks().map((peak, at) => peak - (before[at] ?? 0))
  t.diagnostic(`peak memory grew by ${grown.join(' and ')} KiB`)
  for (const kib of grown) assert.ok(kib < 128 << 10, `${kib} KiB`)
})

test('redirects in a circle, to a page, to nobody or to what is no web address', async () => {
  const layer = await layerOf(imageFile('file', { content: random(100_000) }))
  registry.serve('away', fakeImage([layer]))
  await using page = await startFakeRegistry()
  page.interfere = say(200, 'text/html', '<html>sign in to this network</html>')
  for (const [where, expected] of [
    [`http://${page.host}/`, /unexpected EOF|filesystem layer verification failed/],
    ['http://127.0.0.1:1/x', /connection refused/],
    ['file:///etc/passwd', /invalid Location: "file:\/\/\/etc\/passwd"/],
    ['http://[', /invalid Location: "http:\/\/\["/],
    ['', /stopped after 10 redirects/],
  ] as const) {
    registry.interfere = (request, response) => {
      if (!request.url?.includes('/blobs/')) return false
      response.writeHead(307, { location: where === '' ? request.url : where }).end()
      return true
    }
    await refused(`${registry.host}/away`, expected)
  }
})

test('manifests that are bombs: nested without an end, of too many layers, compressed', async () => {
  const bomb = (bytes: Buffer, manifestType: string) => ({ manifest: bytes, manifestType, blobs: new Map() })
  const layers = Array.from({ length: 30_000 }, (_, at) => ({
    mediaType: MEDIA_TYPE.ociLayerGzip,
    digest: digestOf(String(at)),
    size: 1,
  }))
  const wide = fakeImage([], { manifest: { layers } })
  let deep = { bytes: fakeImage([]).manifest, mediaType: MEDIA_TYPE.ociManifest as string }
  const chain = new Map<string, Buffer>()
  for (let depth = 0; depth < 7; depth++) {
    chain.set(digestOf(deep.bytes), deep.bytes)
    const entry = { mediaType: deep.mediaType, digest: digestOf(deep.bytes), size: deep.bytes.length }
    const platform = { os: 'linux', architecture: 'amd64' }
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [{ ...entry, platform }] }
    deep = { bytes: Buffer.from(JSON.stringify(index)), mediaType: MEDIA_TYPE.ociIndex }
  }
  for (const [what, image, expected] of [
    ['brackets', bomb(Buffer.alloc(3 << 20, '['), MEDIA_TYPE.ociManifest), /JSON|invalid|nest|unexpected/i],
    ['wide', wide, /too many|more than \d+|larger than/],
    ['deep', bomb(deep.bytes, MEDIA_TYPE.ociIndex), /nested more than 4 deep/],
    ['gzip', bomb(gzipSync(Buffer.alloc(64 << 20, ' ')), MEDIA_TYPE.ociManifest), /invalid UTF-8/],
  ] as const) {
    registry.serve(`bomb/${what}`, image)
    registry.interfere = (request, response) => {
      if (what === 'gzip') response.setHeader('content-encoding', 'gzip')
      const inner = chain.get(/sha256:[0-9a-f]{64}/.exec(request.url ?? '')?.[0] ?? '')
      if (inner === undefined || what !== 'deep') return false
      const isIndex = inner.includes('"manifests"')
      return say(200, isIndex ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest, inner.toString())(request, response)
    }
    await refused(`${registry.host}/bomb/${what}`, expected)
  }
})

test('gzip that is broken, cut short or followed by garbage', async () => {
  const layer = await layerOf(imageFile('file', { content: random(100_000) }))
  const broken = Buffer.from(layer.bytes)
  broken.fill(0, broken.length >> 1, (broken.length >> 1) + 64)
  for (const [what, bytes, expected] of [
    ['broken', broken, /./],
    ['short', layer.bytes.subarray(0, layer.bytes.length >> 1), /unexpected (EOF|end)/i],
    ['no-gzip', random(5000), /tar|header|gzip/i],
    ['empty', gzipSync(Buffer.alloc(0)), /diff ?id|wrong|mismatch|digest|EOF/i],
  ] as const) {
    registry.serve(`gzip/${what}`, fakeImage([{ ...layer, bytes }]))
    await refused(`${registry.host}/gzip/${what}`, expected)
  }
})

test('credentials: refused when wrong, used when right, never shown to a host that a redirect names', async () => {
  const file = `${engine.directory}/htpasswd`
  // bcrypt of `secret`, as `htpasswd -B` writes it.
  writeFileSync(file, 'me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n')
  await using locked = await startRegistry(`${engine.directory}/locked`, { htpasswd: file })
  await refused(`${locked.host}/private:1`, /no basic auth credentials/)
  const auth = (password: string) => ({
    'x-registry-auth': Buffer.from(JSON.stringify({ username: 'me', password })).toString('base64url'),
  })
  const pull = `POST /v1.43/images/create?fromImage=${locked.host}/private&tag=1`
  const wrong = await call(engine.socketPath, pull, { headers: auth('wrong') })
  assert.equal(wrong.status, 500)
  assert.match(wrong.text, /unauthorized: authentication required/)
  await nothingBut(empty, engine)

  await using elsewhere = await startFakeRegistry()
  const layer = await layerOf(imageFile('file', { content: 'x' }))
  const image = fakeImage([layer])
  registry.serve('moved', image)
  elsewhere.serve('moved', image)
  registry.interfere = (request, response) => {
    if (request.headers.authorization === undefined) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
      return true
    }
    if (!request.url?.includes('/blobs/')) return false
    response.writeHead(307, { location: `http://localhost:${elsewhere.host.split(':')[1]}${request.url}` }).end()
    return true
  }
  const moved = await call(engine.socketPath, `POST /v1.43/images/create?fromImage=${registry.host}/moved&tag=latest`, {
    headers: auth('secret'),
  })
  assert.match(moved.body, /Downloaded newer image/)
  assert.ok(elsewhere.requests.length > 0)
  for (const { authorization } of elsewhere.requests) assert.equal(authorization, undefined)
  await engine.ok('rmi', `${registry.host}/moved`)
  await nothingBut(empty, engine)
})
