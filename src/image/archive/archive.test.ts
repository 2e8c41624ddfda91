import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Descriptor } from '../../oci/descriptor.ts'
import { digestOf } from '../../oci/digest.ts'
import { goJson } from '../../oci/go-json.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import { readTar } from '../../wire/tar/read-tar.ts'
import { type TarSource, writeTar } from '../../wire/tar/write-tar.ts'
import { imageFile } from '../make-image.ts'
import { collect, MemoryBlobs } from '../../../test/harness/memory-blobs.ts'
import { exportArchive, type ExportRequest } from './export-archive.ts'
import { nameAnnotations, normalReference, shortReference } from './image-names.ts'
import { importArchive } from './import-archive.ts'

const OPTIONS = { compressLayers: false, signal: new AbortController().signal }
const LAYER = 'a layer, or what passes for one'

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

const tarOf = (...files: TarSource[]) => collect(writeTar(files))
const importBytes = (archive: Buffer, blobs = new MemoryBlobs(), options = OPTIONS) =>
  importArchive(once(archive), blobs, options)

function indexIn(blobs: MemoryBlobs, index: Descriptor): Descriptor[] {
  const document = parseManifestOrIndex(blobs.require(index.digest), index.mediaType)
  assert.ok(document.kind === 'index')
  return document.manifests
}

function imageFor(blobs: MemoryBlobs, architecture: string): Descriptor {
  const config = { mediaType: MEDIA_TYPE.ociConfig, ...blobs.put(`{"os":"linux","architecture":"${architecture}"}`) }
  const layer = { mediaType: MEDIA_TYPE.ociLayer, ...blobs.put(LAYER + architecture) }
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: [layer] }
  return {
    mediaType: MEDIA_TYPE.ociManifest,
    ...blobs.put(JSON.stringify(manifest)),
    platform: { os: 'linux', architecture },
  }
}

function indexFor(blobs: MemoryBlobs, ...manifests: Descriptor[]): Descriptor {
  const index = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests })
  return { mediaType: MEDIA_TYPE.ociIndex, ...blobs.put(index) }
}

const exportBytes = (blobs: MemoryBlobs, request: Partial<ExportRequest>) =>
  collect(
    exportArchive(
      {
        images: [],
        platforms: [{ os: 'linux', architecture: 'amd64' }],
        allPlatforms: false,
        skipCompatibilityManifest: false,
        skipNonDistributable: false,
        ...request,
      },
      blobs,
    ),
  )

async function filesIn(archive: Buffer): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for await (const { entry, content } of readTar(once(archive)))
    files.set(entry.name, (await collect(content)).toString())
  return files
}

const saved = (...images: object[]) => imageFile('manifest.json', { content: JSON.stringify(images) })

test('what is exported is imported again under the same digests, and the same image makes the same bytes', async () => {
  const blobs = new MemoryBlobs()
  const target = indexFor(blobs, imageFor(blobs, 'amd64'), imageFor(blobs, 'arm64'))
  const images = [{ name: 'example.com/a/b:1', target }]
  const archive = await exportBytes(blobs, { images, allPlatforms: true })
  assert.deepEqual(await exportBytes(blobs, { images, allPlatforms: true }), archive)
  const copy = new MemoryBlobs()
  for (const bytes of [archive, gzipSync(archive)]) {
    const [entry] = indexIn(copy, await importBytes(bytes, copy))
    assert.deepEqual(entry, { ...target, annotations: nameAnnotations('example.com/a/b:1') })
  }
  for (const digest of blobs.blobs.keys()) assert.ok(copy.blobs.has(digest))
})

test('an index is exported with the manifests of the platforms asked for, the first of them as Docker’s', async () => {
  const blobs = new MemoryBlobs()
  const [amd, arm] = [imageFor(blobs, 'amd64'), imageFor(blobs, 'arm64')]
  const images = [{ name: 'example.com/a:1', target: indexFor(blobs, amd, arm) }]
  const one = await filesIn(await exportBytes(blobs, { images }))
  const nameOf = ({ digest }: Descriptor) => `blobs/sha256/${digest.slice(7)}`
  assert.ok(one.has(nameOf(amd)) && !one.has(nameOf(arm)))
  const both = await filesIn(
    await exportBytes(blobs, {
      images,
      platforms: [
        { os: 'linux', architecture: 'aarch64' },
        { os: 'linux', architecture: 'amd64' },
      ],
    }),
  )
  assert.ok(both.has(nameOf(amd)) && both.has(nameOf(arm)))
  assert.match(both.get('manifest.json')!, new RegExp(digestOf(`${LAYER}arm64`).slice(7)))
  await assert.rejects(exportBytes(blobs, { images, platforms: [{ os: 'linux', architecture: 's390x' }] }), {
    code: 'not-found',
    message: 'no manifest found for platform: not found',
  })
  blobs.blobs.delete(digestOf(`${LAYER}arm64`))
  await exportBytes(blobs, { images })
  await assert.rejects(exportBytes(blobs, { images, allPlatforms: true }), { code: 'not-found' })
})

test('an image without a name is in the archive without one, and of an index what was chosen', async () => {
  const blobs = new MemoryBlobs()
  const [amd, arm, gone] = [imageFor(blobs, 'amd64'), imageFor(blobs, 'arm64'), imageFor(blobs, 's390x')]
  const target = indexFor(blobs, amd, arm, gone)
  blobs.blobs.delete(digestOf(`${LAYER}s390x`))
  const files = await filesIn(
    await exportBytes(blobs, { images: [{ target, chosen: { entries: [amd, arm], main: arm } }] }),
  )
  const [image] = JSON.parse(files.get('manifest.json')!) as { RepoTags: unknown; Layers: string[] }[]
  assert.equal(image?.RepoTags, null)
  assert.deepEqual(image?.Layers, [`blobs/sha256/${digestOf(`${LAYER}arm64`).slice(7)}`])
  assert.ok(files.has(`blobs/sha256/${amd.digest.slice(7)}`) && !files.has(`blobs/sha256/${gone.digest.slice(7)}`))
  const { manifests } = JSON.parse(files.get('index.json')!) as { manifests: object[] }
  assert.deepEqual(manifests, [{ mediaType: target.mediaType, digest: target.digest, size: target.size }])
})

test('bytes that are not what their digest says are not exported', async () => {
  const blobs = new MemoryBlobs()
  const images = [{ name: 'example.com/a:1', target: imageFor(blobs, 'amd64') }]
  const layer = `${LAYER}amd64`
  blobs.blobs.set(digestOf(layer), Buffer.from(layer.toUpperCase()))
  await assert.rejects(exportBytes(blobs, { images }), {
    code: 'data-loss',
    message: /^unexpected digest sha256:\w+ copied$/,
  })
})

test('options leave out what they name', async () => {
  const blobs = new MemoryBlobs()
  const foreign = { mediaType: MEDIA_TYPE.dockerForeignLayer, ...blobs.put('foreign') }
  const config = { mediaType: MEDIA_TYPE.dockerConfig, ...blobs.put('{}') }
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.dockerManifest, config, layers: [foreign] }
  const target = { mediaType: MEDIA_TYPE.dockerManifest, ...blobs.put(JSON.stringify(manifest)) }
  const images = [{ name: 'example.com/a:1', target }]
  const files = await filesIn(
    await exportBytes(blobs, { images, skipCompatibilityManifest: true, skipNonDistributable: true }),
  )
  assert.ok(!files.has('manifest.json') && ![...files.values()].includes('foreign'))
  assert.ok([...(await filesIn(await exportBytes(blobs, { images }))).values()].includes('foreign'))
})

test('a Docker archive becomes an index with a descriptor for each name; links and gzipped layers are followed', async () => {
  const blobs = new MemoryBlobs()
  const config = JSON.stringify({ os: 'linux', architecture: 'arm', rootfs: { type: 'layers', diff_ids: [] } })
  const archive = await tarOf(
    imageFile('./c.json', { content: config }),
    imageFile('one/layer.tar', { content: LAYER }),
    imageFile('two/layer.tar', { type: 'symlink', linkName: '../one/layer.tar' }),
    imageFile('three.tar', { content: gzipSync(LAYER) }),
    saved(
      {
        Config: 'c.json',
        RepoTags: ['busybox:1', 'example.com/x'],
        Layers: ['one/layer.tar', 'two/layer.tar', 'three.tar'],
      },
      { Config: 'c.json', RepoTags: null, Layers: ['one/layer.tar'] },
    ),
  )
  const [first, second, third] = indexIn(blobs, await importBytes(archive, blobs))
  assert.deepEqual(first?.annotations, {
    'io.containerd.image.name': 'docker.io/library/busybox:1',
    'org.opencontainers.image.ref.name': '1',
  })
  assert.equal(second?.annotations?.['io.containerd.image.name'], 'example.com/x:latest')
  assert.equal(third?.annotations, undefined)
  assert.deepEqual(first?.platform, { os: 'linux', architecture: 'arm', variant: 'v7' })
  const manifest = parseManifestOrIndex(blobs.require(first!.digest), first!.mediaType)
  assert.ok(manifest.kind === 'manifest')
  assert.deepEqual(
    manifest.layers.map(({ mediaType, digest }) => [mediaType, digest]),
    [
      [MEDIA_TYPE.dockerLayer, digestOf(LAYER)],
      [MEDIA_TYPE.dockerLayer, digestOf(LAYER)],
      [MEDIA_TYPE.dockerLayerGzip, digestOf(gzipSync(LAYER))],
    ],
  )
})

test('layers are compressed where that is asked for, and taken as they are known already', async () => {
  const blobs = new MemoryBlobs()
  const archive = await tarOf(
    imageFile('c', { content: '{}' }),
    imageFile('l', { content: LAYER }),
    saved({ Config: 'c', Layers: ['l'] }),
  )
  const layerOf = async (compressLayers: boolean) => {
    const [entry] = indexIn(blobs, await importBytes(archive, blobs, { ...OPTIONS, compressLayers }))
    const manifest = parseManifestOrIndex(blobs.require(entry!.digest), entry!.mediaType)
    return manifest.kind === 'manifest' ? manifest.layers[0] : undefined
  }
  assert.equal((await layerOf(false))?.digest, digestOf(LAYER))
  const packed = await layerOf(true)
  assert.equal(packed?.mediaType, MEDIA_TYPE.dockerLayerGzip)
  assert.equal(blobs.labels.get(packed.digest)?.['containerd.io/uncompressed'], digestOf(LAYER))
  assert.deepEqual(await layerOf(false), packed)
})

const LAYOUT = imageFile('oci-layout', { content: '{"imageLayoutVersion":"1.0.0"}' })
const HOSTILE: [what: string, files: TarSource[], message: RegExp][] = [
  ['nothing in it', [], /^unrecognized image format$/],
  ['no index', [LAYOUT], /^missing index.json in OCI layout 1.0.0$/],
  [
    'another layout',
    [imageFile('oci-layout', { content: '{"imageLayoutVersion":"9"}' })],
    /^unsupported OCI version 9$/,
  ],
  ['broken JSON', [imageFile('manifest.json', { content: '[{' })], /^untar manifest "manifest.json": unexpected EOF$/],
  [
    'a list of numbers',
    [imageFile('manifest.json', { content: '[1]' })],
    /^untar manifest "manifest.json": .*not an object/,
  ],
  [
    'no configuration',
    [saved({ Config: '../../etc/passwd', Layers: [] })],
    /^image config "..\/..\/etc\/passwd" not found$/,
  ],
  [
    'no layer',
    [imageFile('c', { content: '{}' }), saved({ Config: 'c', Layers: ['/etc/passwd'] })],
    /layer "\/etc\/passwd" not found$/,
  ],
  [
    'a link out of it',
    [imageFile('l', { type: 'symlink', linkName: '/etc/passwd' }), saved()],
    /^no target for symlink layer from "l" to "etc\/passwd"$/,
  ],
  [
    'a name that is none',
    [imageFile('c', { content: '{}' }), saved({ Config: 'c', RepoTags: ['A B'], Layers: [] })],
    /^normalize image ref "A B": invalid reference format/,
  ],
  [
    'a blob of another digest',
    [imageFile(`blobs/sha256/${'0'.repeat(64)}`, { content: 'x' })],
    /^failed to ingest "blobs\/sha256\/0+": unexpected commit digest/,
  ],
  [
    'a name of many bytes',
    [imageFile('n'.repeat(5000), { content: '' })],
    /^name of more than 4096 bytes in image archive$/,
  ],
]

for (const [what, files, message] of HOSTILE)
  test(`an archive with ${what} is refused`, async () => {
    await assert.rejects(importBytes(await tarOf(...files)), { name: 'Failure', message })
  })

test('a document larger than its bound is refused before it is read', async () => {
  const header = (await tarOf(imageFile('manifest.json', { content: 'x' }))).subarray(0, 512)
  const large = Buffer.from(header)
  large.write('00000000000\0', 124)
  large.write((1 << 30).toString(8).padStart(11, '0'), 124)
  large.fill(' ', 148, 156)
  large.write(
    `${large
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  await assert.rejects(importBytes(large), { code: 'invalid-argument', message: /larger than 20971520 bytes$/ })
})

test('a file that claims to be larger than anything is refused before it is read', async () => {
  const header = Buffer.from((await tarOf(imageFile('layer.tar', { content: 'x' }))).subarray(0, 512))
  header.writeUInt32BE(0x80000000, 124)
  header.writeUInt32BE(0x00000200, 128)
  header.writeUInt32BE(0, 132)
  header.fill(' ', 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  await assert.rejects(importBytes(header), { code: 'resource-exhausted', message: /^image archive holds more than/ })
})

test('names are written as Docker and containerd write them', () => {
  assert.equal(normalReference('busybox'), 'docker.io/library/busybox:latest')
  assert.equal(normalReference(`a/b:1@sha256:${'a'.repeat(64)}`), `docker.io/a/b@sha256:${'a'.repeat(64)}`)
  assert.equal(shortReference('docker.io/library/busybox:1'), 'busybox:1')
  const tags: [name: string, tag: string][] = [
    ['docker.io/library/x:1', '1'],
    ['localhost:5000/x', 'localhost:5000/x'],
    ['localhost:5000/x:a', 'a'],
    ['plain', 'plain'],
    [`a.b/c@sha256:${'0'.repeat(64)}`, `a.b/c@sha256:${'0'.repeat(64)}`],
  ]
  for (const [name, tag] of tags) assert.equal(nameAnnotations(name)['org.opencontainers.image.ref.name'], tag)
  assert.equal(goJson({ a: '<&>\u2028' }), '{"a":"\\u003c\\u0026\\u003e\\u2028"}')
})
