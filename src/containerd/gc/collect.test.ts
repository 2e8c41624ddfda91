import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { silentLog } from '../../base/log.ts'
import { ContainerSchema } from '../../gen/services/containers_pb.ts'
import { ImageSchema } from '../../gen/services/images_pb.ts'
import type { Digest } from '../../oci/digest.ts'
import { ContainerStore } from '../containers/container-store.ts'
import { ContentStore } from '../content/content-store.ts'
import { EventExchange } from '../events/event-exchange.ts'
import { ImageStore } from '../images/image-store.ts'
import { LeaseStore } from '../leases/lease-store.ts'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { NamespaceStore } from '../namespaces/namespace-store.ts'
import { SandboxStore } from '../sandboxes/sandbox-store.ts'
import { createMemorySnapshotter } from '../snapshots/memory-snapshotter.ts'
import { collect } from './collect.ts'

async function withWorld(work: (world: Awaited<ReturnType<typeof openWorld>>) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'collect-'))
  const world = await openWorld(root)
  try {
    await work(world)
  } finally {
    await world.metadata.close()
    rmSync(root, { recursive: true })
  }
}

async function openWorld(root: string) {
  const metadata = await MetadataStore.open(root)
  const events = new EventExchange()
  const namespaces = new NamespaceStore(metadata, events)
  namespaces.ensure('a')
  const leases = new LeaseStore(metadata, namespaces)
  const content = new ContentStore({ root, metadata, namespaces, leases, events })
  const snapshots = createMemorySnapshotter(metadata)
  const deps = {
    metadata,
    namespaces,
    leases,
    content,
    sandboxes: new SandboxStore(metadata, namespaces),
    containers: new ContainerStore(metadata, namespaces, events),
    images: new ImageStore(metadata, namespaces, events),
    snapshotters: new Map([['overlayfs', snapshots]]),
    log: silentLog,
  }
  const put = async (text: string, labels: Record<string, string> = {}): Promise<Digest> => {
    const ingest = await content.openIngest({
      namespace: 'a',
      ref: text,
      totalBytes: 0,
      expected: undefined,
      leaseId: undefined,
    })
    await ingest.write(Buffer.from(text))
    return await content.commit(ingest, { sizeBytes: 0, digest: undefined, labels })
  }
  const commit = async (name: string, parent: string, labels: Record<string, string> = {}): Promise<void> => {
    await snapshots.prepare('a', `${name}-key`, parent)
    await snapshots.commit('a', name, `${name}-key`, { labels })
  }
  const image = (name: string, digest: string, labels: Record<string, string> = {}) =>
    deps.images.create('a', create(ImageSchema, { name, labels, target: { mediaType: 'x/y', digest, size: 1n } }))
  const left = async () => ({
    content: content.list('a').map(({ digest }) => digest),
    snapshots: (await snapshots.list('a')).map(({ name }) => name).sort(),
  })
  return { ...deps, snapshots, put, commit, image, left, collect: () => collect(deps) }
}

test('an image keeps its content, by labels and by manifests, and the snapshots that labels name', () =>
  withWorld(async (world) => {
    const layer = await world.put('layer')
    await world.commit('base', '')
    await world.commit('top', 'base')
    const config = await world.put('{"rootfs":{}}', { 'containerd.io/gc.ref.snapshot.overlayfs': 'top' })
    const manifest = await world.put(JSON.stringify({ config: { digest: config }, layers: [{ digest: layer }] }))
    const index = await world.put('an index', { 'containerd.io/gc.ref.content.m.0': manifest })
    await world.image('img', index)
    await world.put('nobody’s')
    await world.commit('nobody', 'base')
    await world.collect()
    assert.deepEqual(await world.left(), {
      content: [layer, config, manifest, index].sort(),
      snapshots: ['base', 'top'],
    })
    await world.images.delete('a', 'img')
    await world.collect()
    assert.deepEqual(await world.left(), { content: [], snapshots: [] })
  }))

test('a container keeps its snapshot and all below', () =>
  withWorld(async (world) => {
    await world.commit('base', '')
    await world.snapshots.prepare('a', 'rw', 'base')
    world.containers.create(
      'a',
      create(ContainerSchema, {
        id: 'c',
        runtime: { name: 'r' },
        spec: { typeUrl: 'x' },
        snapshotter: 'overlayfs',
        snapshotKey: 'rw',
      }),
    )
    await world.collect()
    assert.deepEqual((await world.left()).snapshots, ['base', 'rw'])
    world.containers.delete('a', 'c')
    await world.collect()
    assert.deepEqual((await world.left()).snapshots, [])
  }))

test('a lease keeps what it names until it is deleted or expires', () =>
  withWorld(async (world) => {
    const digest = await world.put('x')
    await world.snapshots.prepare('a', 'rw', '')
    world.leases.create('a', 'l', { 'containerd.io/gc.expire': new Date(Date.now() + 60_000).toISOString() })
    world.leases.addResource('a', 'l', { type: 'content', id: digest })
    world.leases.addResource('a', 'l', { type: 'snapshots/overlayfs', id: 'rw' })
    await world.collect()
    assert.deepEqual(await world.left(), { content: [digest], snapshots: ['rw'] })
    world.leases.expire(Date.now() + 120_000)
    assert.throws(() => world.leases.require('a', 'l'), { code: 'not-found' })
    await world.collect()
    assert.deepEqual(await world.left(), { content: [], snapshots: [] })
  }))

test('a flat lease keeps what it names and nothing that hangs on it', () =>
  withWorld(async (world) => {
    const layer = await world.put('layer')
    const manifest = await world.put('m', { 'containerd.io/gc.ref.content.0': layer })
    await world.commit('base', '', { 'containerd.io/gc.ref.content': layer })
    await world.commit('top', 'base')
    world.leases.create('a', 'l', { 'containerd.io/gc.flat': 'yes' })
    world.leases.addResource('a', 'l', { type: 'content', id: manifest })
    world.leases.addResource('a', 'l', { type: 'snapshots/overlayfs', id: 'top' })
    await world.collect()
    assert.deepEqual(await world.left(), { content: [manifest], snapshots: ['base', 'top'] })
  }))

test('an image goes when its time is over, unless something names it', () =>
  withWorld(async (world) => {
    const over = { 'containerd.io/gc.expire': '2020-01-01T00:00:00Z' }
    const [one, two] = [await world.put('one'), await world.put('two')]
    await world.image('one', one, over)
    await world.image('two', two, over)
    await world.image('three', two, { 'containerd.io/gc.expire': new Date(Date.now() + 60_000).toISOString() })
    await world.image('four', two, { 'containerd.io/gc.expire': 'never', 'containerd.io/gc.ref.image.x': 'one' })
    await world.collect()
    assert.deepEqual(
      world.images.list('a').map(({ name }) => name),
      ['four', 'one', 'three'],
    )
    assert.deepEqual((await world.left()).content, [one, two].sort())
  }))

test('a thing that names its keeper lives as long', () =>
  withWorld(async (world) => {
    const digest = await world.put('x', { 'containerd.io/gc.bref.image': 'img' })
    await world.commit('snap', '', { 'containerd.io/gc.bref.content./1': digest })
    await world.put('y', { 'containerd.io/gc.bref.image': 'gone' })
    const target = await world.put('target')
    await world.image('img', target)
    await world.collect()
    assert.deepEqual(await world.left(), { content: [digest, target].sort(), snapshots: ['snap'] })
    await world.images.delete('a', 'img')
    await world.collect()
    assert.deepEqual(await world.left(), { content: [], snapshots: [] })
  }))

test('leases have their own resources, whatever they are called', () =>
  withWorld(async (world) => {
    for (const id of ['a', 'a/content', 'a%2Fcontent']) world.leases.create('a', id, {})
    world.leases.addResource('a', 'a/content', { type: 'content', id: 'sha256:1' })
    assert.deepEqual(world.leases.listResources('a', 'a'), [])
    assert.deepEqual(world.leases.listResources('a', 'a%2Fcontent'), [])
    world.leases.delete('a', 'a')
    assert.equal(world.leases.listResources('a', 'a/content').length, 1)
    assert.deepEqual(
      world.leases
        .list('a')
        .map(({ id }) => id)
        .sort(),
      ['a%2Fcontent', 'a/content'],
    )
  }))

test('gc.root keeps a thing by itself, and references that lead in a circle or nowhere end', () =>
  withWorld(async (world) => {
    const digest = await world.put('root', {
      'containerd.io/gc.root': 'now',
      'containerd.io/gc.ref.content.0': 'sha256:gone',
      'containerd.io/gc.ref.snapshot.overlayfs': 'gone',
    })
    await world.put('self')
    await world.collect()
    assert.deepEqual((await world.left()).content, [digest])
  }))
