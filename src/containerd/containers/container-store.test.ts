import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { type Container, ContainerSchema } from '../../gen/services/containers_pb.ts'
import { ImageSchema } from '../../gen/services/images_pb.ts'
import { NamespaceSchema } from '../../gen/services/namespaces_pb.ts'
import type { Envelope } from '../../gen/types/event_pb.ts'
import { EventExchange } from '../events/event-exchange.ts'
import { ImageStore } from '../images/image-store.ts'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { NamespaceStore } from '../namespaces/namespace-store.ts'
import { ContainerStore } from './container-store.ts'

async function withStores(
  work: (stores: {
    namespaces: NamespaceStore
    containers: ContainerStore
    images: ImageStore
    topics: () => Promise<string[]>
  }) => Promise<void> | void,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'stores-'))
  const metadata = await MetadataStore.open(root)
  const events = new EventExchange()
  const stop = new AbortController()
  const envelopes: AsyncIterable<Envelope> = events.subscribe([], stop.signal)
  const topics = async () => {
    stop.abort()
    const found: string[] = []
    for await (const { topic } of envelopes) found.push(topic)
    return found
  }
  const namespaces = new NamespaceStore(metadata, events)
  const containers = new ContainerStore(metadata, namespaces, events)
  const images = new ImageStore(metadata, namespaces, events)
  try {
    await work({ namespaces, containers, images, topics })
  } finally {
    stop.abort()
    await metadata.close()
    rmSync(root, { recursive: true })
  }
}

type Fields = Exclude<MessageInitShape<typeof ContainerSchema>, Container>

function container(fields: Fields = {}) {
  return create(ContainerSchema, { id: 'c', runtime: { name: 'r' }, spec: { typeUrl: 't' }, ...fields })
}

test('a container is created once, found, listed by filters and deleted', () =>
  withStores(async ({ containers, namespaces, topics }) => {
    containers.create('a', container({ labels: { 'x.y': '1' }, image: 'img' }))
    containers.create('b', container())
    assert.throws(() => containers.create('a', container()), {
      code: 'already-exists',
      message: 'container "c": already exists',
    })
    assert.equal(containers.require('a', 'c').image, 'img')
    assert.ok(containers.require('a', 'c').createdAt)
    assert.equal(containers.list('a', ['labels."x.y"==1,image==img']).length, 1)
    assert.equal(containers.list('a', ['labels."x.y"==2', 'id==d']).length, 0)
    assert.equal(containers.list('a', ['runtime.name==r']).length, 1)
    assert.throws(() => namespaces.delete('a'), { code: 'failed-precondition' })
    containers.delete('a', 'c')
    assert.throws(() => containers.require('a', 'c'), {
      code: 'not-found',
      message: 'container "c" in namespace "a": not found',
    })
    namespaces.delete('a')
    assert.deepEqual(
      namespaces.list().map(({ name }) => name),
      ['b'],
    )
    assert.deepEqual(await topics(), [
      '/containers/create',
      '/containers/create',
      '/containers/delete',
      '/namespaces/delete',
    ])
  }))

for (const [subject, fields] of Object.entries({
  'an id that is a path': { id: '../x' },
  'no id': { id: '' },
  'a long id': { id: 'x'.repeat(77) },
  'no runtime': { runtime: { name: '' } },
  'a snapshot without a snapshotter': { snapshotKey: 'k' },
  'a huge label': { labels: { a: 'x'.repeat(5000) } },
}))
  test(`${subject} is refused`, () =>
    withStores(({ containers }) => {
      assert.throws(() => containers.create('a', container(fields)), { code: 'invalid-argument' })
    }))

test('an update changes what its mask names, and nothing that is immutable', () =>
  withStores(({ containers }) => {
    const extension = (typeUrl: string) => ({ typeUrl, value: new Uint8Array() })
    containers.create('a', container({ labels: { k: '1', l: '2' }, image: 'old', extensions: { e: extension('1') } }))
    const update = (fields: Fields, paths: string[]) =>
      containers.update('a', container({ runtime: { name: '' }, ...fields }), paths)
    update({ labels: { k: '', m: '3' }, image: 'ignored' }, ['labels.k', 'labels.m'])
    assert.deepEqual(containers.require('a', 'c').labels, { l: '2', m: '3' })
    update({ image: 'new', extensions: { f: extension('2') } }, ['image', 'extensions.e', 'extensions.f'])
    assert.equal(containers.require('a', 'c').image, 'new')
    assert.deepEqual(Object.keys(containers.require('a', 'c').extensions), ['f'])
    assert.throws(() => update({ runtime: { name: 'other' } }, []), { message: /Runtime.Name field is immutable/ })
    assert.throws(() => update({}, ['createdat']), { code: 'invalid-argument' })
    update({ labels: { only: '1' }, spec: { typeUrl: 'new' } }, [])
    assert.deepEqual(containers.require('a', 'c').labels, { only: '1' })
    assert.equal(containers.require('a', 'c').spec?.typeUrl, 'new')
  }))

test('an image is created, pointed elsewhere and deleted if it points where the caller thinks', () =>
  withStores(async ({ images }) => {
    const digest = (char: string) => `sha256:${char.repeat(64)}`
    const image = (char: string) =>
      create(ImageSchema, { name: 'docker.io/library/x:1', target: { mediaType: 'm', digest: digest(char), size: 1n } })
    await images.create('a', image('a'))
    await assert.rejects(images.create('a', image('a')), {
      message: 'image "docker.io/library/x:1": already exists',
    })
    await images.update('a', image('b'), ['target'])
    assert.equal(images.list('a', [`target.digest==${digest('b')}`]).length, 1)
    assert.equal(images.list('a', ['name~=library/x']).length, 1)
    await assert.rejects(images.delete('a', 'docker.io/library/x:1', digest('a')), { code: 'not-found' })
    await images.delete('a', 'docker.io/library/x:1', digest('b'))
    assert.deepEqual(images.list('a'), [])
    await assert.rejects(images.create('a', create(ImageSchema, { name: 'x', target: { digest: 'sha256:x' } })), {
      code: 'invalid-argument',
    })
  }))

test('a namespace’s labels change one by one or as a whole', () =>
  withStores(({ namespaces }) => {
    namespaces.create(create(NamespaceSchema, { name: 'n', labels: { a: '1', b: '2' } }))
    namespaces.update(create(NamespaceSchema, { name: 'n', labels: { a: '9' } }), ['labels.a', 'labels.b'])
    assert.deepEqual(namespaces.require('n').labels, { a: '9' })
    namespaces.update(create(NamespaceSchema, { name: 'n', labels: { c: '3' } }), [])
    assert.deepEqual(namespaces.require('n').labels, { c: '3' })
    assert.throws(() => namespaces.create(create(NamespaceSchema, { name: 'a/b' })), { code: 'invalid-argument' })
  }))
