// Images that contradict themselves, imported by ctr into our containerd and into the original: the same exit, the same images, nothing left.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { imageFile } from '../../src/image/make-image.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { eventually } from '../harness/command.ts'
import { tarOf } from '../harness/fake-registry.ts'
import { type ContainerdSide, startTwoContainerds } from '../harness/two-containerds.ts'

let both: Awaited<ReturnType<typeof startTwoContainerds>>
before(async () => {
  both = await startTwoContainerds()
})
after(() => both[Symbol.asyncDispose]())

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'
const CONFIG = 'application/vnd.oci.image.config.v1+json'
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
const NAME = 'docker.io/library/corpus:1'

type Json = Record<string, unknown>

/** Parts of an image in order, to be changed on their way into the archive. */
interface Parts {
  layer: Buffer
  config: Json
  manifest: Json
  index: Json
  /** By name in the archive. */
  files: Map<string, Buffer>
}

type Change = Partial<{
  layer: (tar: Buffer) => Promise<Buffer> | Buffer
  config: (config: Json) => Json
  manifest: (manifest: Json) => Json
  index: (index: Json) => Json
  files: (files: Map<string, Buffer>, parts: Parts) => void
}>

const descriptor = (mediaType: string, bytes: Buffer): Json => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
})
const blobName = (bytes: Buffer): string => `blobs/sha256/${digestOf(bytes).slice('sha256:'.length)}`

async function imageArchive(change: Change): Promise<Buffer> {
  const tar = await tarOf([imageFile('f', { content: 'x' })])
  const layer = gzipSync((await change.layer?.(tar)) ?? tar)
  const plain: Json = {
    os: 'linux',
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
  }
  const config = Buffer.from(JSON.stringify(change.config?.(plain) ?? plain))
  const whole: Json = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: descriptor(CONFIG, config),
    layers: [descriptor(LAYER, layer)],
  }
  const parsed = change.manifest?.(whole) ?? whole
  const manifest = Buffer.from(JSON.stringify(parsed))
  const annotations = { 'io.containerd.image.name': NAME }
  const list: Json = { schemaVersion: 2, manifests: [{ ...descriptor(MANIFEST, manifest), annotations }] }
  const index = change.index?.(list) ?? list
  const files = new Map([
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ['index.json', Buffer.from(JSON.stringify(index))],
    ...[layer, config, manifest].map((bytes): [string, Buffer] => [blobName(bytes), bytes]),
  ])
  change.files?.(files, { layer, config: plain, manifest: parsed, index, files })
  return tarOf([...files].map(([name, content]) => imageFile(name, { content })))
}

const CASES: [name: string, change: Change, imports: boolean][] = [
  ['an image in order', {}, true],
  [
    'another diff id than the layer’s',
    { config: (config) => ({ ...config, rootfs: { type: 'layers', diff_ids: [digestOf(Buffer.from('other'))] } }) },
    false,
  ],
  [
    'more diff ids than layers',
    {
      config: (config) => ({
        ...config,
        rootfs: { type: 'layers', diff_ids: Array.from({ length: 2 }, () => digestOf(Buffer.from('x'))) },
      }),
    },
    false,
  ],
  ['a configuration that is none', { config: () => ({ rootfs: 'x' }) }, false],
  [
    'a blob under another’s name',
    { files: (files, { layer }) => files.set(blobName(layer), Buffer.from('another')) },
    false,
  ],
  ['a blob that is not there', { files: (files, { layer }) => files.delete(blobName(layer)) }, false],
  [
    'a layer of another size than its descriptor says, which ctr does not ask',
    {
      manifest: (manifest) => ({
        ...manifest,
        layers: (manifest['layers'] as Json[]).map((each) => ({ ...each, size: 7 })),
      }),
    },
    true,
  ],
  ['a layer that is no layer', { manifest: (manifest) => ({ ...manifest, layers: [manifest['config']] }) }, false],
  ['layers and manifests in one', { manifest: (manifest) => ({ ...manifest, manifests: [] }) }, false],
  [
    'an index that says it is a manifest',
    { manifest: () => ({ schemaVersion: 2, mediaType: INDEX, manifests: [] }) },
    false,
  ],
  [
    'a manifest that the index calls an index',
    {
      index: (index) => ({
        ...index,
        manifests: (index['manifests'] as Json[]).map((each) => ({ ...each, mediaType: INDEX })),
      }),
    },
    false,
  ],
  [
    'a digest that is a path',
    {
      index: (index) => ({
        ...index,
        manifests: (index['manifests'] as Json[]).map((each) => ({ ...each, digest: 'sha256:../../../etc/passwd' })),
      }),
    },
    false,
  ],
  ['an index that is none', { files: (files) => files.set('index.json', Buffer.from('[]')) }, false],
  ['no index', { files: (files) => files.delete('index.json') }, false],
  [
    'a layer that breaks out',
    { layer: () => tarOf([imageFile('../../../../tmp/berth-imported', { content: 'x' })]) },
    false,
  ],
  ['a layer that is no archive', { layer: () => Buffer.alloc(2048, 'garbage') }, false],
]

test('contradictions are found by both, and leave nothing', async (t) => {
  for (const [name, change, imports] of CASES)
    await t.test(name, async () => {
      const file = join(both.directory, 'image.tar')
      writeFileSync(file, await imageArchive(change))
      const [ours, theirs] = await Promise.all([importInto(both.ours, file), importInto(both.original, file)])
      assert.deepEqual([ours.code, ours.images], [theirs.code, theirs.images], `${ours.stderr}\n${theirs.stderr}`)
      assert.equal(ours.code === 0, imports, ours.stderr)
      if (!imports) assert.match(ours.stderr, /^ctr: .+/m)
    })
})

async function importInto(
  side: ContainerdSide,
  file: string,
): Promise<{ code: number; images: string[]; stderr: string }> {
  const { code, stderr } = await side.ctr(['images', 'import', file])
  const images = (await side.ok('images', 'ls', '-q')).split('\n').filter(Boolean)
  for (const image of images) await side.ok('images', 'rm', '--sync', image)
  // What was imported in vain is nobody's, and goes with the next collection.
  await side.client.leases.create({ id: 'collect' })
  await side.client.leases.delete({ id: 'collect', sync: true })
  await eventually('nothing is left', 10_000, async () => (await side.ok('snapshots', 'ls')).split('\n').length === 1)
  await eventually('no blob is left', 10_000, async () => (await side.ok('content', 'ls', '-q')) === '')
  return { code, images, stderr }
}
