// One collection: what images, containers and leases no longer reach is removed.
import { messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import type { ContainerStore } from '../containers/container-store.ts'
import type { ContentStore } from '../content/content-store.ts'
import type { ImageStore } from '../images/image-store.ts'
import type { LeaseStore } from '../leases/lease-store.ts'
import type { NamespaceStore } from '../namespaces/namespace-store.ts'
import type { SnapshotInfo, Snapshotter } from '../snapshots/snapshotter.ts'
import type { Digest } from '../../oci/digest.ts'
import { isRoot, type Labelled, labelReferences, mark, type Node, nodeKey } from './mark.ts'
import { manifestReferences } from './manifest-references.ts'

export interface CollectDeps {
  namespaces: NamespaceStore
  containers: ContainerStore
  images: ImageStore
  content: ContentStore
  leases: LeaseStore
  /** By name, as in `snapshots/<name>`. */
  snapshotters: ReadonlyMap<string, Snapshotter>
  log: Log
}

/** Uploads that nobody has touched for so long are given up. */
const INGEST_IDLE_MS = 24 * 3600 * 1000

interface Things {
  content: Map<string, Labelled & Node>
  snapshots: Map<string, Labelled & Node & { parent: string }>
}

/** Must not run twice at once. Nothing is awaited between the marking and the removal of the records, so no client makes a reference in between. */
export async function collect(deps: CollectDeps): Promise<{ contents: number; snapshots: number }> {
  deps.leases.expire(Date.now())
  const snapshots = await listSnapshots(deps)
  const things: Things = { content: listContent(deps), snapshots }
  const reached = mark(listRoots(deps, things), (node) => referencesOf(deps, things, node))
  const lostSnapshots = childrenFirst([...things.snapshots.values()].filter((node) => !reached.has(nodeKey(node))))
  const lostContent = [...things.content.values()].filter((node) => !reached.has(nodeKey(node)))
  // Records go in the synchronous part of each removal, so before any other call is served; files follow.
  await Promise.all([
    ...lostContent.map((node) => remove(deps, node, () => deps.content.delete(node.namespace, node.id as Digest))),
    ...lostSnapshots.map((node) => {
      const snapshotter = deps.snapshotters.get(node.kind.slice('snapshots/'.length))
      return remove(deps, node, async () => snapshotter?.remove(node.namespace, node.id))
    }),
  ])
  await deps.content.sweep(INGEST_IDLE_MS)
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
  const found: Things['content'] = new Map()
  for (const [namespace, { digest, labels }] of deps.content.listAll()) {
    const node = { namespace, kind: 'content', id: digest, labels }
    found.set(nodeKey(node), node)
  }
  return found
}

async function listSnapshots(deps: CollectDeps): Promise<Things['snapshots']> {
  const found: Things['snapshots'] = new Map()
  for (const [name, snapshotter] of deps.snapshotters)
    for (const { name: namespace } of deps.namespaces.list())
      for (const info of await snapshotter.list(namespace)) {
        const node = snapshotNode(namespace, name, info)
        found.set(nodeKey(node), node)
      }
  return found
}

function snapshotNode(
  namespace: string,
  snapshotter: string,
  info: SnapshotInfo,
): Labelled & Node & { parent: string } {
  return { namespace, kind: `snapshots/${snapshotter}`, id: info.name, labels: info.labels, parent: info.parent }
}

function* listRoots(deps: CollectDeps, things: Things): Iterable<Node> {
  for (const [namespace, image] of deps.images.listAll()) {
    yield* labelReferences(namespace, image.labels)
    if (image.target) yield { namespace, kind: 'content', id: image.target.digest }
  }
  for (const [namespace, container] of deps.containers.listAll()) {
    yield* labelReferences(namespace, container.labels)
    if (container.snapshotKey !== '')
      yield { namespace, kind: `snapshots/${container.snapshotter}`, id: container.snapshotKey }
  }
  for (const [namespace, lease] of deps.leases.listAll()) {
    yield* labelReferences(namespace, lease.labels)
    for (const { type, id } of deps.leases.listResources(namespace, lease.id)) yield { namespace, kind: type, id }
  }
  for (const node of [...things.content.values(), ...things.snapshots.values()]) if (isRoot(node)) yield node
}

function referencesOf(deps: CollectDeps, things: Things, node: Node): Node[] {
  const { namespace } = node
  const snapshot = things.snapshots.get(nodeKey(node))
  if (snapshot !== undefined) {
    const parent = snapshot.parent === '' ? [] : [{ namespace, kind: node.kind, id: snapshot.parent }]
    return [...labelReferences(namespace, snapshot.labels), ...parent]
  }
  const content = things.content.get(nodeKey(node))
  if (content === undefined) return []
  const labelled = labelReferences(namespace, content.labels)
  if (labelled.some(({ kind }) => kind === 'content')) return labelled
  return [...labelled, ...manifestReferences(deps.content, namespace, node.id as Digest)]
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
