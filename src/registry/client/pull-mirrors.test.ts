// Mirrors that have a manifest and not all of what it names, before a registry that has it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  fakeImage,
  type FakeImage,
  type FakeRegistry,
  type Interference,
  startFakeRegistry,
} from '../../../test/harness/fake-registry.ts'
import { Failure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { digestOf } from '../../oci/digest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { parseReference } from '../../oci/parse-reference.ts'
import { pullImage } from './pull-image.ts'
import type { BlobSink, BlobSource } from './puller.ts'

const LAYERS = [randomBytes(100_000), randomBytes(300_000)].map((bytes) => ({ bytes, diffId: digestOf(bytes) }))
const [SMALL, LARGE] = LAYERS.map(({ bytes }) => digestOf(bytes))
const IMAGE = fakeImage(LAYERS)
const CONFIG = [...IMAGE.blobs.keys()][0]!

/** As containerd's content store, to which the engine's sink writes: goes on where a source broke off, and starts over where that was not of the blob. */
class MemorySink implements BlobSink {
  readonly blobs = new Map<string, Buffer>()
  readonly #half = new Map<string, Buffer>()

  async has({ digest }: Descriptor): Promise<boolean> {
    return this.blobs.has(digest)
  }

  async write(descriptor: Descriptor, source: BlobSource): Promise<void> {
    const { digest } = descriptor
    const before = this.#half.get(digest) ?? Buffer.alloc(0)
    let bytes = before
    try {
      for await (const part of typeof source === 'function' ? source(bytes.length) : source)
        bytes = Buffer.concat([bytes, part])
    } finally {
      this.#half.set(digest, bytes)
    }
    if (digestOf(bytes) === digest) return void this.blobs.set(digest, bytes)
    this.#half.delete(digest)
    if (before.length === 0) throw new Failure('failed-precondition', 'unexpected commit digest')
    await this.write(descriptor, source)
  }

  async read({ digest }: Descriptor): Promise<Uint8Array> {
    return this.blobs.get(digest)!
  }
}

interface World {
  mirror: FakeRegistry
  registry: FakeRegistry
  sink: MemorySink
  pull(): Promise<unknown>
  /** Of a registry: what was asked for, without repeats. */
  asked(of: FakeRegistry): string[]
}

async function withWorld(work: (world: World) => Promise<void>, mirrorMay = ['pull', 'resolve']): Promise<void> {
  const certsDirectory = mkdtempSync(join(tmpdir(), 'certs-'))
  try {
    await using mirror = await startFakeRegistry()
    await using registry = await startFakeRegistry()
    mirror.serve('app', IMAGE)
    registry.serve('app', IMAGE)
    mkdirSync(join(certsDirectory, 'registry.example'))
    writeFileSync(
      join(certsDirectory, 'registry.example/hosts.toml'),
      `server = "http://${registry.host}"\n[host."http://${mirror.host}"]\n  capabilities = ${JSON.stringify(mirrorMay)}\n`,
    )
    const sink = new MemorySink()
    await work({
      ...{ mirror, registry, sink },
      pull: () =>
        pullImage({
          reference: parseReference('registry.example/app'),
          platform: { os: 'linux', architecture: 'amd64' },
          auth: undefined,
          insecureRegistries: [],
          mirrors: [],
          certsDirectory,
          maxConcurrentDownloads: 1,
          sink,
          progress: { onLayer() {} },
          onLayerStored() {},
          signal: AbortSignal.timeout(30_000),
        }),
      asked: ({ requests }) => [
        ...new Set(requests.flatMap(({ line }) => /(?:blobs|manifests)\/([^?]+)/.exec(line)?.[1] ?? [])),
      ],
    })
    for (const { bytes } of LAYERS) assert.ok(sink.blobs.get(digestOf(bytes))?.equals(bytes))
  } finally {
    rmSync(certsDirectory, { recursive: true })
  }
}

function refusing(digest: string, status: number, headers: Record<string, string> = {}): Interference {
  return ({ url }, response) => {
    if (!url?.includes(digest)) return false
    response.writeHead(status, headers).end('<html>')
    return true
  }
}

/** Without some of its blobs. */
function without(image: FakeImage, ...digests: (string | undefined)[]): FakeImage {
  return { ...image, blobs: new Map([...image.blobs].filter(([digest]) => !digests.includes(digest))) }
}

test('what a mirror lacks, and only that, is asked of the next host', () =>
  withWorld(async ({ mirror, registry, pull, asked }) => {
    mirror.serve('app', without(IMAGE, CONFIG, LARGE))
    await pull()
    assert.deepEqual(asked(registry).sort(), [CONFIG, LARGE].sort())
    assert.deepEqual(asked(mirror).sort(), ['latest', CONFIG, SMALL, LARGE].sort())
  }))

test('what a mirror breaks off the next host goes on with', () =>
  withWorld(async ({ mirror, registry, pull }) => {
    mirror.interfere = ({ url }, response) => {
      if (!url?.includes(LARGE!)) return false
      response.writeHead(200, { 'content-length': 300_000 })
      response.write(LAYERS[1]!.bytes.subarray(0, 120_000), () => response.destroy())
      // From here on it is gone for this blob.
      mirror.interfere = refusing(LARGE!, 502)
      return true
    }
    const ranges: (string | undefined)[] = []
    registry.interfere = ({ headers }) => {
      ranges.push(headers.range)
      return false
    }
    await pull()
    assert.deepEqual(ranges, ['bytes=120000-'])
  }))

test('a mirror that lies, is busy or sends a page is left for that blob', async () => {
  const wrong = { ...IMAGE, blobs: new Map(IMAGE.blobs).set(LARGE!, randomBytes(300_000)) }
  await withWorld(async ({ mirror, registry, pull, asked }) => {
    mirror.serve('app', wrong)
    await pull()
    assert.deepEqual(asked(registry), [LARGE])
  })
  for (const [status, headers] of [
    [429, { 'retry-after': '30' }],
    [200, { 'content-type': 'text/html' }],
    [401, {}],
  ] as const)
    await withWorld(async ({ mirror, registry, pull, asked }) => {
      mirror.interfere = refusing(LARGE!, status, headers)
      await pull()
      assert.deepEqual(asked(registry), [LARGE], String(status))
    })
})

test('a manifest of an index that the mirror lacks comes from the next host', () =>
  withWorld(async ({ mirror, registry, pull, asked }) => {
    const digest = digestOf(IMAGE.manifest)
    const entry = { mediaType: MEDIA_TYPE.ociManifest, digest, size: IMAGE.manifest.length }
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociIndex,
        manifests: [{ ...entry, platform: { os: 'linux', architecture: 'amd64' } }],
      }),
    )
    mirror.serve('app', { ...IMAGE, manifest: index, manifestType: MEDIA_TYPE.ociIndex })
    mirror.interfere = refusing(digest, 404)
    await pull()
    assert.deepEqual(asked(registry), [digest])
  }))

test('who may not say what a tag stands for is asked for the blobs first', () =>
  withWorld(
    async ({ mirror, registry, pull, asked }) => {
      mirror.serve('app', without(IMAGE, SMALL))
      await pull()
      assert.deepEqual(asked(mirror).sort(), [CONFIG, SMALL, LARGE].sort())
      assert.deepEqual(asked(registry).sort(), ['latest', SMALL].sort())
    },
    ['pull'],
  ))

test('what no host has is told in the words of the last', () =>
  withWorld(async ({ mirror, registry, pull }) => {
    for (const host of [mirror, registry]) host.serve('app', without(IMAGE, LARGE))
    await assert.rejects(pull(), /blob unknown/)
    registry.serve('app', IMAGE)
    await pull()
  }))
