import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { ImageStoreSchema } from '../../gen/types/transfer/imagestore_pb.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { digestOf } from '../../oci/digest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { parseReference } from '../../oci/parse-reference.ts'
import { mountCandidate, sourceLabel } from '../../registry/client/source-label.ts'
import { StoreEnd } from './store-end.ts'

const end = (fields: MessageInitShape<typeof ImageStoreSchema>) => new StoreEnd(create(ImageStoreSchema, fields))

function descriptor(mediaType: string, fields: Partial<Descriptor> = {}): Descriptor {
  return { mediaType, digest: digestOf(JSON.stringify(fields)), size: 1, ...fields }
}

const DIGEST = digestOf('x')
const named = (whole: string, tag = '') => {
  const annotations = { 'io.containerd.image.name': whole, 'org.opencontainers.image.ref.name': tag }
  return descriptor(MEDIA_TYPE.ociManifest, { digest: DIGEST, annotations })
}

test('an imported image is called as its annotations and the prefix have it', () => {
  const prefix = { name: 'a.b/c', isPrefix: true }
  const cases: [reference: object, image: Descriptor, names: string[]][] = [
    [prefix, named('a.b/c:1', '1'), ['a.b/c:1']],
    [prefix, named('a.b/cd:1', '1'), []],
    [prefix, named('', 'x'), ['a.b/c:x']],
    [prefix, named('', 'a.b/c/d:1'), ['a.b/c/d:1']],
    [prefix, named('', 'e.f/g:1'), []],
    [prefix, named(''), []],
    [{ ...prefix, allowOverwrite: true }, named('e.f/g:1', '1'), ['e.f/g:1']],
    [{ ...prefix, addDigest: true }, named(''), [`a.b/c@${DIGEST}`]],
    [{ ...prefix, addDigest: true }, named('a.b/c:1'), ['a.b/c:1', `a.b/c@${DIGEST}`]],
    [{ ...prefix, addDigest: true, skipNamedDigest: true }, named('a.b/c:1'), ['a.b/c:1']],
    [{ name: 'whole:1' }, named('a.b/c:1'), []],
    [{ name: '', isPrefix: true }, named('a.b/c:1'), []],
  ]
  for (const [reference, image, names] of cases)
    assert.deepEqual(end({ extraReferences: [reference] }).annotatedNames(image), names, JSON.stringify(reference))
})

test('what is stored as a whole gets the name and the references that are whole', () => {
  const store = end({
    name: 'name:1',
    extraReferences: [
      { name: 'other:1' },
      { name: 'p', isPrefix: true },
      { name: 'q', isPrefix: true, addDigest: true },
    ],
  })
  assert.deepEqual(store.wholeNames(named('')), ['name:1', 'other:1', `q@${DIGEST}`])
  assert.deepEqual(end({}).wholeNames(named('')), [])
})

test('children are chosen by platform, metadata and limit', () => {
  const index = descriptor(MEDIA_TYPE.ociIndex)
  const of = (architecture: string) => descriptor(MEDIA_TYPE.ociManifest, { platform: { os: 'linux', architecture } })
  const [amd, arm, bare] = [of('amd64'), of('arm64'), descriptor(MEDIA_TYPE.ociManifest)]
  const platforms = [
    { os: 'linux', architecture: 'arm64', variant: 'v8' },
    { os: 'linux', architecture: 'amd64' },
  ]
  const [armFirst, armOnly] = [end({ platforms }), end({ platforms: platforms.slice(0, 1) })]
  assert.deepEqual(end({}).select(index, [amd, arm, bare]), [amd, arm, bare])
  assert.deepEqual(armOnly.select(index, [amd, arm, bare]), [arm, bare])
  assert.deepEqual(end({ platforms, manifestLimit: 1 }).select(index, [amd, arm]), [arm])
  assert.throws(() => end({ platforms: platforms.slice(0, 1), manifestLimit: 1 }).select(index, [amd]), {
    code: 'not-found',
  })
  assert.deepEqual(armFirst.fitting([amd, arm]), [amd, arm])
  const metadata = end({ platforms: platforms.slice(0, 1), allMetadata: true })
  const children = [descriptor(MEDIA_TYPE.ociConfig), descriptor(MEDIA_TYPE.ociLayer)]
  assert.deepEqual(metadata.select(index, [amd, arm]), [amd, arm])
  assert.deepEqual(metadata.select(amd, children), children.slice(0, 1))
  assert.deepEqual(metadata.select(arm, children), children)
})

test('where a blob came from is remembered, and used for a mount', () => {
  const reference = parseReference('a.b:5000/lib/image:1')
  assert.deepEqual(sourceLabel({}, reference), { name: 'containerd.io/distribution.source.a.b', value: 'lib/image' })
  const labels = { 'containerd.io/distribution.source.a.b': 'x/y,lib/other' }
  assert.equal(sourceLabel(labels, reference)?.value, 'lib/image,lib/other,x/y')
  assert.equal(mountCandidate(labels, reference), 'lib/other')
  assert.equal(mountCandidate(labels, parseReference('c.d/lib/image:1')), undefined)
  assert.equal(mountCandidate({ 'containerd.io/distribution.source.a.b': 'lib/image' }, reference), undefined)
  const long = { 'containerd.io/distribution.source.a.b': 'x'.repeat(4090) }
  assert.equal(sourceLabel(long, reference), undefined)
})
