import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from './digest.ts'
import { MEDIA_TYPE } from './media-type.ts'
import { chainIds, parseImageConfig } from './parse-image-config.ts'
import { parseManifestOrIndex } from './parse-manifest.ts'

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value))
const blob = (mediaType: string, text: string) => ({ mediaType, digest: digestOf(text), size: text.length })
const MANIFEST = {
  schemaVersion: 2,
  config: blob(MEDIA_TYPE.ociConfig, 'c'),
  layers: [blob(MEDIA_TYPE.ociLayerGzip, 'l')],
}

test('manifests and indexes are read by their kind', () => {
  const manifest = parseManifestOrIndex(bytes({ ...MANIFEST, annotations: { a: 'b' } }), MEDIA_TYPE.ociManifest)
  assert.equal(manifest.kind, 'manifest')
  assert.deepEqual(manifest.kind === 'manifest' && manifest.layers, MANIFEST.layers)
  assert.deepEqual(manifest.annotations, { a: 'b' })
  const platform = { os: 'linux', architecture: 'arm', variant: 'v7' }
  const child = { ...blob(MEDIA_TYPE.ociManifest, 'm'), platform }
  const index = parseManifestOrIndex(bytes({ manifests: [child] }), MEDIA_TYPE.dockerList)
  assert.deepEqual(index.kind === 'index' && index.manifests, [child])
  assert.equal(
    parseManifestOrIndex(bytes(MANIFEST), '').mediaType,
    MEDIA_TYPE.ociManifest,
    'without a type, by its shape',
  )
})

test('documents that could be read in two ways, or not at all, are refused', () => {
  const cases: [string, unknown, string][] = [
    ['a manifest with manifests', { ...MANIFEST, manifests: [] }, MEDIA_TYPE.ociManifest],
    ['an index with layers', { manifests: [], layers: [] }, MEDIA_TYPE.ociIndex],
    ['an index with a config', { manifests: [], config: MANIFEST.config }, MEDIA_TYPE.ociIndex],
    ['another type inside', { ...MANIFEST, mediaType: MEDIA_TYPE.dockerManifest }, MEDIA_TYPE.ociManifest],
    ['schema 1', { schemaVersion: 1, fsLayers: [] }, MEDIA_TYPE.dockerSchema1Signed],
    ['no config', { layers: [] }, MEDIA_TYPE.ociManifest],
    ['a negative size', { ...MANIFEST, config: { ...MANIFEST.config, size: -1 } }, MEDIA_TYPE.ociManifest],
    ['a size of text', { ...MANIFEST, config: { ...MANIFEST.config, size: '1' } }, MEDIA_TYPE.ociManifest],
    [
      'a digest that is a path',
      { ...MANIFEST, config: { ...MANIFEST.config, digest: 'sha256:../../etc/passwd' } },
      MEDIA_TYPE.ociManifest,
    ],
    ['a short digest', { ...MANIFEST, config: { ...MANIFEST.config, digest: 'sha256:abcd' } }, MEDIA_TYPE.ociManifest],
    ['layers that are no list', { ...MANIFEST, layers: {} }, MEDIA_TYPE.ociManifest],
    ['a list', [], MEDIA_TYPE.ociManifest],
    ['an unknown type', MANIFEST, 'text/plain'],
  ]
  for (const [what, document, type] of cases)
    assert.throws(
      () => parseManifestOrIndex(bytes(document), type),
      { name: 'Failure', code: 'invalid-argument' },
      what,
    )
  assert.throws(() => parseManifestOrIndex(Buffer.from('\xff{', 'latin1'), MEDIA_TYPE.ociManifest), { name: 'Failure' })
})

test('an image config keeps what containers need', () => {
  const config = parseImageConfig(
    bytes({
      os: 'linux',
      architecture: 'amd64',
      config: {
        Env: null,
        Cmd: ['sh'],
        ExposedPorts: { '80/tcp': {} },
        Unknown: 1,
        Healthcheck: { Test: ['CMD', 'true'], Interval: 5 },
      },
      rootfs: { type: 'layers', diff_ids: [digestOf('a')] },
      history: [{ created_by: 'x', empty_layer: true }],
    }),
  )
  assert.deepEqual(config.config, {
    Cmd: ['sh'],
    ExposedPorts: { '80/tcp': {} },
    Healthcheck: { Test: ['CMD', 'true'], Interval: 5 },
  })
  assert.deepEqual(config.history, [{ created_by: 'x', empty_layer: true }])
  for (const bad of [
    {},
    { rootfs: {}, layers: [] },
    { rootfs: { diff_ids: ['x'] } },
    { rootfs: {}, config: { Cmd: 'sh' } },
  ])
    assert.throws(() => parseImageConfig(bytes(bad)), { name: 'Failure' }, JSON.stringify(bad))
})

test('chain ids are those of the image specification', () => {
  const [a, b, c] = [digestOf('a'), digestOf('b'), digestOf('c')]
  const second = digestOf(`${a} ${b}`)
  assert.deepEqual(chainIds([a, b, c]), [a, second, digestOf(`${second} ${c}`)])
  assert.deepEqual(chainIds([]), [])
})
