// Image archives from strangers: docker save's format and OCI layouts, plain and compressed.
import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { goJson } from '../../src/base/go/go-json.ts'
import { importContext } from '../../src/client/contexts/context-archive.ts'
import { type ContextMetadata, ContextStore, type TlsData } from '../../src/client/contexts/context-store.ts'
import { makeZip } from '../../src/client/contexts/make-zip.suite.ts'
import { exportArchive } from '../../src/image/archive/export-archive.ts'
import { importArchive } from '../../src/image/archive/import-archive.ts'
import { imageFile } from '../../src/image/make-image.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { MEDIA_TYPE } from '../../src/oci/media-type.ts'
import { tarOf } from '../harness/fake-registry.ts'
import { collect, MemoryBlobs } from '../harness/memory-blobs.ts'
import type { Target } from './targets.ts'

const CONFIG = '{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}'
const LAYER = 'layer'

const docker = await tarOf([
  imageFile('c.json', { content: CONFIG }),
  imageFile('a/layer.tar', { content: LAYER }),
  imageFile('b/layer.tar', { type: 'symlink', linkName: '../a/layer.tar' }),
  imageFile('manifest.json', {
    content: '[{"Config":"c.json","RepoTags":["x:1","a.b/c"],"Layers":["a/layer.tar","b/layer.tar"]}]',
  }),
])

const described = (mediaType: string, text: string) => ({ mediaType, digest: digestOf(text), size: text.length })
const MANIFEST = JSON.stringify({
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociManifest,
  config: described(MEDIA_TYPE.ociConfig, CONFIG),
  layers: [described(MEDIA_TYPE.ociLayer, LAYER)],
})
const root = described(MEDIA_TYPE.ociManifest, MANIFEST)
const layout = await tarOf([
  ...[CONFIG, LAYER, MANIFEST].map((text) => imageFile(`blobs/sha256/${digestOf(text).slice(7)}`, { content: text })),
  imageFile('index.json', { content: JSON.stringify({ schemaVersion: 2, manifests: [root] }) }),
  imageFile('oci-layout', { content: '{"imageLayoutVersion":"1.0.0"}' }),
])

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

const CONTEXT = [
  {
    name: 'meta.json',
    content: '{"Name":"a","Metadata":{"Description":"d"},"Endpoints":{"docker":{"Host":"tcp://h:1"}}}',
  },
  { name: 'tls/docker/ca.pem', content: 'x'.repeat(200), isStored: true },
]
const contextTar = await tarOf(CONTEXT.map(({ name, content }) => imageFile(name, { content })))

/** Nothing is written: what would be is looked at. */
class ContextsInMemory extends ContextStore {
  constructor() {
    super({ configDirectory: '/', resolveDefault: () => ({ host: '', tls: undefined }) })
  }

  override save({ Name, Metadata, Endpoints }: ContextMetadata): void {
    assert.equal(Name, 'mine')
    goJson({ Metadata, Endpoints })
  }

  override saveTls(_name: string, endpoint: string, files: TlsData): void {
    for (const name of [endpoint, ...Object.keys(files)]) assert.match(name, /^(?!\.{1,2}$)[^/\0\\]{1,200}$/s)
    assert.ok(Object.values(files).reduce((sum, { length }) => sum + length, 0) <= 20 << 20)
  }
}

export const ARCHIVE_TARGETS: Record<string, Target> = {
  'context archive': {
    samples: [makeZip(CONTEXT), contextTar],
    run: (input) => importContext(once(input), 'mine', new ContextsInMemory()),
  },
  'image archive': {
    samples: [docker, layout, gzipSync(docker)],
    async run(input) {
      const blobs = new MemoryBlobs()
      const options = { compressLayers: input.length % 2 === 0, signal: new AbortController().signal }
      blobs.require((await importArchive(once(input), blobs, options)).digest)
    },
  },
  'image documents': {
    samples: [Buffer.from(MANIFEST), Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [root] }))],
    async run(input) {
      const blobs = new MemoryBlobs()
      for (const text of [CONFIG, LAYER, MANIFEST]) blobs.put(text)
      const mediaType = input.includes('manifests') ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest
      const images = [{ name: 'a.b/c:1', target: { mediaType, ...blobs.put(input) } }]
      const request = { images, platforms: [], allPlatforms: true, skipCompatibilityManifest: false }
      await collect(exportArchive({ ...request, skipNonDistributable: true }, blobs))
    },
  },
}
