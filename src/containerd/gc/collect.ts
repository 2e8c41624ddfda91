// One collection: what images, containers, sandboxes and leases no longer reach is removed.
import { messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ContainerStore } from '../containers/container-store.ts'
import type { ContentStore } from '../content/content-store.ts'
import type { ImageStore } from '../images/image-store.ts'
import type { LeaseStore } from '../leases/lease-store.ts'
import type { NamespaceStore } from '../namespaces/namespace-store.ts'
import type { SandboxStore } from '../sandboxes/sandbox-store.ts'
import type { SnapshotInfo, Snapshotter } from '../snapshots/snapshotter.ts'
import {
  backReferences,
  isExpired,
  isFlat,
  isRoot,
  type Labelled,
  labelReferences,
  mark,
  type Node,
  nodeKey,
} from './mark.ts'
import { manifestReferences } from './manifest-references.ts'

export interface CollectDeps {
  namespaces: NamespaceStore
  containers: ContainerStore
  images: ImageStore
  content: ContentStore
  leases: LeaseStore
  sandboxes: SandboxStore
  /** By name, as in `snapshots/<name>`. */
  snapshotters: ReadonlyMap<string, Snapshotter>
  log: Log
}

/** Uploads that nobody has touched for so long are given up. */
const INGEST_IDLE_MS = 24 * 3600 * 1000

type Thing = Labelled & Node

interface Things {
  content: Map<string, Thing>
  snapshots: Map<string, Thing & { parent: string }>
  images: Map<string, Thing & { target: string | undefined }>
}

/** Must not run twice at once. Nothing is awaited between the marking and the removal of the records, so no client makes a reference in between. */
export async function collect(deps: CollectDeps): Promise<{ contents: number; snapshots: number }> {
  const nowMs = Date.now()
  deps.leases.expire(nowMs)
  const snapshots = await listSnapshots(deps)
  const things: Things = { content: listContent(deps), snapshots, images: listImages(deps) }
  const kept = listBackReferences(deps, things)
  const reached = mark(listRoots(deps, things, nowMs), (node) => [
    ...(kept.get(nodeKey(node)) ?? []),
    ...referencesOf(deps, things, node),
  ])
  const isLost = (node: Node): boolean => !reached.has(nodeKey(node))
  const lostSnapshots = childrenFirst([...snapshots.values()].filter(isLost))
  const lostContent = [...things.content.values()].filter(isLost)
  const lostImages = [...things.images.values()].filter(isLost)
  // Records go in the synchronous part of each removal, so before any other call is served; files follow.
  await Promise.all([
    ...lostImages.map((node) => remove(deps, node, () => deps.images.delete(node.namespace, node.id))),
    ...lostContent.map((node) => remove(deps, node, () => deps.content.delete(node.namespace, node.id as Digest))),
    ...lostSnapshots.map((node) => {
      const snapshotter = deps.snapshotters.get(node.kind.slice('snapshots/'.length))
      return remove(deps, node, async () => snapshotter?.remove(node.namespace, node.id))
    }),
  ])
  const isLeased = (namespace: string, ref: string): boolean => !isLost({ namespace, kind: 'ingests', id: ref })
  await deps.content.sweep(INGEST_IDLE_MS, isLeased)
  return { contents: lostContent.length, snapshots: lostSnapshots.length }
}

/** One that can't be removed (a child came meanwhile) is tried again the next time. */
async function remove(deps: CollectDeps, node: Node, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    deps.log.debug('not collected', { node: nodeKey(node), error: messageOf(error) })
  }
}

function listContent(deps: CollectDeps): Things['content'] {
  return byKey(
    deps.content.listAll().map(([namespace, { digest, labels }]) => ({
      namespace,
      kind: 'content',
      id: digest as string,
      labels,
    })),
  )
}

function listImages(deps: CollectDeps): Things['images'] {
  return byKey(
    deps.images.listAll().map(([namespace, { name, labels, target }]) => ({
      namespace,
      kind: 'images',
      id: name,
      labels,
      target: target?.digest,
    })),
  )
}

async function listSnapshots(deps: CollectDeps): Promise<Things['snapshots']> {
  const found: (Thing & { parent: string })[] = []
  for (const [name, snapshotter] of deps.snapshotters)
    for (const { name: namespace } of deps.namespaces.list())
      for (const info of await snapshotter.list(namespace)) found.push(snapshotNode(namespace, name, info))
  return byKey(found)
}

function byKey<Entry extends Node>(entries: readonly Entry[]): Map<string, Entry> {
  return new Map(entries.map((entry) => [nodeKey(entry), entry]))
}

function snapshotNode(namespace: string, snapshotter: string, info: SnapshotInfo): Thing & { parent: string } {
  return { namespace, kind: `snapshots/${snapshotter}`, id: info.name, labels: info.labels, parent: info.parent }
}

/** What is kept by the things that it names itself, by their keys. */
function listBackReferences(deps: CollectDeps, things: Things): Map<string, Node[]> {
  const containers = deps.containers
    .listAll()
    .map(([namespace, { id, labels }]): Thing => ({ namespace, kind: 'containers', id, labels }))
  const kept = new Map<string, Node[]>()
  for (const thing of [
    ...things.images.values(),
    ...things.content.values(),
    ...things.snapshots.values(),
    ...containers,
  ])
    for (const keeper of backReferences(thing.namespace, thing.labels)) {
      const key = nodeKey(keeper)
      kept.set(key, [...(kept.get(key) ?? []), thing])
    }
  return kept
}

function* listRoots(deps: CollectDeps, things: Things, nowMs: number): Iterable<Node> {
  for (const image of things.images.values()) if (!isExpired(image, nowMs)) yield image
  for (const [namespace, container] of deps.containers.listAll()) {
    yield { namespace, kind: 'containers', id: container.id }
    yield* labelReferences(namespace, container.labels)
    if (container.snapshotKey !== '')
      yield { namespace, kind: `snapshots/${container.snapshotter}`, id: container.snapshotKey }
  }
  for (const [namespace, sandbox] of deps.sandboxes.listAll()) yield* labelReferences(namespace, sandbox.labels)
  for (const [namespace, lease] of deps.leases.listAll()) {
    yield* labelReferences(namespace, lease.labels)
    for (const { type, id } of deps.leases.listResources(namespace, lease.id))
      yield { namespace, kind: type, id, isFlat: isFlat(lease) }
  }
  for (const node of [...things.content.values(), ...things.snapshots.values()]) if (isRoot(node)) yield node
}

function referencesOf(deps: CollectDeps, things: Things, node: Node): Node[] {
  const { namespace, isFlat: flat = false } = node
  const key = nodeKey(node)
  const image = things.images.get(key)
  if (image !== undefined) {
    const target = image.target === undefined ? [] : [{ namespace, kind: 'content', id: image.target, isFlat: flat }]
    return flat ? target : [...target, ...labelReferences(namespace, image.labels)]
  }
  const snapshot = things.snapshots.get(key)
  if (snapshot !== undefined) {
    const parent = snapshot.parent === '' ? [] : [{ namespace, kind: node.kind, id: snapshot.parent, isFlat: flat }]
    return flat ? parent : [...parent, ...labelReferences(namespace, snapshot.labels)]
  }
  if (node.kind === 'ingests') return expectedOf(deps, node)
  return flat ? [] : contentReferences(deps, things, node)
}

function contentReferences(deps: CollectDeps, things: Things, node: Node): Node[] {
  const { namespace } = node
  const content = things.content.get(nodeKey(node))
  if (content === undefined) return []
  const labelled = labelReferences(namespace, content.labels)
  if (labelled.some(({ kind }) => kind === 'content')) return labelled
  return [...labelled, ...manifestReferences(deps.content, namespace, node.id as Digest)]
}

/** What an upload is to become may be there already. */
function expectedOf(deps: CollectDeps, { namespace, id }: Node): Node[] {
  const expected = deps.content.findStatus(namespace, id)?.expected ?? ''
  return expected === '' ? [] : [{ namespace, kind: 'content', id: expected }]
}

/** A parent can't go before its children. */
function childrenFirst<Entry extends Node & { parent: string }>(entries: Entry[]): Entry[] {
  const byKey = new Map(entries.map((entry) => [nodeKey(entry), entry]))
  const ordered = new Set<Entry>()
  for (const entry of entries) {
    const chain: Entry[] = []
    for (
      let at: Entry | undefined = entry;
      at !== undefined && !ordered.has(at);
      at = byKey.get(nodeKey({ ...at, id: at.parent }))
    )
      chain.push(at)
    for (const link of chain.reverse()) ordered.add(link)
  }
  return [...ordered].reverse()
}
