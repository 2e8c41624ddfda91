// The collector against a model that is too simple to be wrong, on random graphs; the seed of a failure is printed and can be given as GC_SEED.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { silentLog } from '../../base/log.ts'
import { ContainerSchema } from '../../gen/services/containers_pb.ts'
import { InfoSchema } from '../../gen/services/content_pb.ts'
import { ImageSchema } from '../../gen/services/images_pb.ts'
import { digestOf } from '../../oci/digest.ts'
import { ContainerStore } from '../containers/container-store.ts'
import { ContentStore } from '../content/content-store.ts'
import { EventExchange } from '../events/event-exchange.ts'
import { ImageStore } from '../images/image-store.ts'
import { LeaseStore } from '../leases/lease-store.ts'
import { SandboxStore } from '../sandboxes/sandbox-store.ts'
import { messageCodec } from '../metadata/codec.ts'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { NamespaceStore } from '../namespaces/namespace-store.ts'
import { createMemorySnapshotter } from '../snapshots/memory-snapshotter.ts'
import { collect } from './collect.ts'

const ROUNDS = 12
const SIZE = 14
const PAST = new Date(Date.now() - 60_000).toISOString()
const FUTURE = new Date(Date.now() + 3_600_000).toISOString()

type Random = (below: number) => number

/** mulberry32 */
function randomOf(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** A thing as the model sees it: `content 3`, `snapshot 5`, `image 1`, `container 0`. */
type Name = string

interface World {
  /** What each keeps: what it is made of, what its labels refer to, and what refers back to it. */
  references: Map<Name, Name[]>
  /** What each is made of. */
  flat: Map<Name, Name[]>
  roots: Set<Name>
  flatRoots: Set<Name>
}

const KINDS = { content: 'content', image: 'image', snapshot: 'snapshot.overlayfs', container: 'container' } as const
type Kind = keyof typeof KINDS
const idOf = (kind: Kind, index: number): string => (kind === 'content' ? digestOf(`blob ${index}`) : `${kind}${index}`)

async function openStores(root: string) {
  const metadata = await MetadataStore.open(root)
  const events = new EventExchange()
  const namespaces = new NamespaceStore(metadata, events)
  namespaces.ensure('a')
  const leases = new LeaseStore(metadata, namespaces)
  const content = new ContentStore({ root, metadata, namespaces, leases, events })
  const snapshots = createMemorySnapshotter(metadata)
  return {
    metadata,
    namespaces,
    leases,
    sandboxes: new SandboxStore(metadata, namespaces),
    content,
    infos: metadata.bucket('content', messageCodec(InfoSchema)),
    snapshots,
    containers: new ContainerStore(metadata, namespaces, events),
    images: new ImageStore(metadata, namespaces, events),
    snapshotters: new Map([['overlayfs', snapshots]]),
    log: silentLog,
  }
}

type Stores = Awaited<ReturnType<typeof openStores>>

/** Labels that refer, are referred by, or keep a thing, and the same for the model. */
function randomLabels(world: World, self: Name, random: Random): Record<string, string> {
  const labels: Record<string, string> = {}
  for (let count = random(3); count > 0; count--) {
    const kind = (['content', 'image', 'snapshot'] as const)[random(3)]!
    const index = random(SIZE)
    labels[`containerd.io/gc.ref.${KINDS[kind]}${kind === 'snapshot' ? '/' : '.'}${count}`] = idOf(kind, index)
    world.references.get(self)!.push(`${kind} ${index}`)
  }
  if (random(5) === 0) {
    const kind = (['content', 'image', 'snapshot', 'container'] as const)[random(4)]!
    const index = random(SIZE)
    const parent = `${kind} ${index}`
    labels[`containerd.io/gc.bref.${KINDS[kind]}${kind === 'snapshot' ? '/x' : ''}`] = idOf(kind, index)
    world.references.set(parent, [...(world.references.get(parent) ?? []), self])
  }
  if (/content|snapshot/.test(self)) {
    const choice = random(12)
    if (choice === 0) labels['containerd.io/gc.root'] = 'x'
    if (choice === 1) labels['containerd.io/gc.expire'] = FUTURE
    if (choice === 2) labels['containerd.io/gc.expire'] = PAST
    if (choice < 2) world.roots.add(self)
  }
  return labels
}

async function makeWorld(stores: Stores, random: Random): Promise<World> {
  const world: World = { references: new Map(), flat: new Map(), roots: new Set(), flatRoots: new Set() }
  const put = (name: Name, parts: Name[]) => {
    world.references.set(name, [...parts, ...(world.references.get(name) ?? [])])
    world.flat.set(name, [...parts, ...(world.flat.get(name) ?? [])])
  }
  for (let index = 0; index < SIZE; index++) {
    put(`content ${index}`, [])
    const digest = idOf('content', index)
    // A label that leads nowhere: otherwise the bytes, which are not there, would be looked at.
    const labels = {
      'containerd.io/gc.ref.content.none': 'sha256:none',
      ...randomLabels(world, `content ${index}`, random),
    }
    stores.infos.put(`a/${digest}`, create(InfoSchema, { digest, size: 1n, labels }))
  }
  for (let index = 0; index < SIZE; index++) {
    const parent = index > 0 && random(3) > 0 ? random(index) : undefined
    put(`snapshot ${index}`, parent === undefined ? [] : [`snapshot ${parent}`])
    const labels = randomLabels(world, `snapshot ${index}`, random)
    await stores.snapshots.prepare('a', `${index}-key`, parent === undefined ? '' : idOf('snapshot', parent))
    await stores.snapshots.commit('a', idOf('snapshot', index), `${index}-key`, { labels })
  }
  for (let index = 0; index < 3; index++) {
    const target = random(SIZE)
    put(`image ${index}`, [`content ${target}`])
    const labels = randomLabels(world, `image ${index}`, random)
    const expires = random(4)
    if (expires === 0) labels['containerd.io/gc.expire'] = PAST
    else world.roots.add(`image ${index}`)
    const image = {
      name: idOf('image', index),
      target: { mediaType: 'x/y', digest: idOf('content', target), size: 1n },
      labels,
    }
    await stores.images.create('a', create(ImageSchema, image))
  }
  const key = random(SIZE)
  put('container 0', [`snapshot ${key}`])
  world.roots.add('container 0')
  const labels = randomLabels(world, 'container 0', random)
  const container = {
    id: 'container0',
    runtime: { name: 'r' },
    spec: { typeUrl: 'x' },
    snapshotter: 'overlayfs',
    snapshotKey: idOf('snapshot', key),
    labels,
  }
  stores.containers.create('a', create(ContainerSchema, container))
  for (const isFlat of [false, true]) {
    const lease = `lease${isFlat}`
    stores.leases.create('a', lease, isFlat ? { 'containerd.io/gc.flat': 'x' } : {})
    for (const kind of ['content', 'image', 'snapshot'] as const) {
      if (random(2) === 0) continue
      const index = random(kind === 'image' ? 3 : SIZE)
      const type = { content: 'content', image: 'images', snapshot: 'snapshots/overlayfs' }[kind]
      stores.leases.addResource('a', lease, { type, id: idOf(kind, index) })
      ;(isFlat ? world.flatRoots : world.roots).add(`${kind} ${index}`)
    }
  }
  return world
}

/** Again and again over everything, until nothing new is kept. */
function keptBy(world: World): Set<Name> {
  const full = new Set(world.roots)
  const flat = new Set(world.flatRoots)
  for (let size = -1; size !== full.size + flat.size; ) {
    size = full.size + flat.size
    for (const name of [...full]) for (const reference of world.references.get(name) ?? []) full.add(reference)
    for (const name of [...flat]) for (const part of world.flat.get(name) ?? []) flat.add(part)
  }
  return new Set([...full, ...flat])
}

async function leftIn(stores: Stores): Promise<Name[]> {
  const left: Name[] = []
  for (let index = 0; index < SIZE; index++) {
    if (stores.infos.get(`a/${idOf('content', index)}`) !== undefined) left.push(`content ${index}`)
    if (await stores.snapshots.stat('a', idOf('snapshot', index)).catch(() => undefined)) left.push(`snapshot ${index}`)
    if (stores.images.find('a', idOf('image', index)) !== undefined) left.push(`image ${index}`)
  }
  return left.sort()
}

async function inRandomWorld(
  seed: number,
  work: (stores: Stores, world: World, random: Random) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'collect-random-'))
  const random = randomOf(seed)
  const stores = await openStores(root)
  try {
    await work(stores, await makeWorld(stores, random), random)
  } catch (error) {
    throw new Error(`GC_SEED=${seed}: ${String(error)}`, { cause: error })
  } finally {
    await stores.metadata.close()
    rmSync(root, { recursive: true })
  }
}

const FIRST = Number(process.env['GC_SEED'] ?? Date.now() % 1e6)
const seeds = Array.from({ length: process.env['GC_SEED'] === undefined ? ROUNDS : 1 }, (_, index) => FIRST + index)

test('what is left is what a simple model says', async () => {
  for (const seed of seeds)
    await inRandomWorld(seed, async (stores, world) => {
      const kept = keptBy(world)
      const before = await leftIn(stores)
      await collect(stores)
      const expected = before.filter((name) => kept.has(name))
      assert.deepEqual(await leftIn(stores), expected)
      await collect(stores)
      assert.deepEqual(await leftIn(stores), expected, 'a second collection finds nothing')
    })
})

test('what a client comes to refer to while it works is kept', async () => {
  for (const seed of seeds)
    await inRandomWorld(seed, async (stores, world, random) => {
      let isDone = false
      const collecting = collect(stores).then(() => {
        isDone = true
      })
      const taken: Name[] = []
      for (let step = 0; step < 6 && !isDone; step++) {
        for (let turns = random(4); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
        const index = random(SIZE)
        const kind = (['content', 'snapshot'] as const)[random(2)]!
        // In one turn he sees that it is there and refers to it: from then on it must stay.
        const isThere =
          kind === 'content'
            ? stores.infos.get(`a/${idOf(kind, index)}`)
            : stores.metadata.bucket('snapshots').get(`a/${idOf(kind, index)}`)
        if (isThere === undefined) continue
        stores.leases.addResource('a', 'leasefalse', {
          type: kind === 'content' ? 'content' : 'snapshots/overlayfs',
          id: idOf(kind, index),
        })
        taken.push(`${kind} ${index}`)
      }
      await collecting
      const left = await leftIn(stores)
      for (const name of taken) world.roots.add(name)
      for (const name of keptBy(world)) if (taken.includes(name)) assert.ok(left.includes(name), name)
    })
})
