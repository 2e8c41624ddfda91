// One collection: what images, containers, sandboxes and leases no longer reach is removed. Clients are served all the time: it works in slices of a few milliseconds.
import { messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { Slices } from '../../base/slices.ts'
import type { ContainerStore } from '../containers/container-store.ts'
import type { ContentStore } from '../content/content-store.ts'
import { failpoint } from '../failpoints.ts'
import type { ImageStore } from '../images/image-store.ts'
import type { LeaseStore } from '../leases/lease-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { NamespaceStore } from '../namespaces/namespace-store.ts'
import type { SandboxStore } from '../sandboxes/sandbox-store.ts'
import type { Snapshotter } from '../snapshots/snapshotter.ts'
import type { Digest } from '../../oci/digest.ts'
import { type Node, nodeKey } from './mark.ts'
import { Trace } from './trace.ts'

export interface CollectDeps {
  metadata: MetadataStore
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
/** Removals of content that wait for the disk together. */
const BATCH = 1024

/** Must not run twice at once. */
export async function collect(deps: CollectDeps): Promise<{ contents: number; snapshots: number }> {
  deps.leases.expire(Date.now())
  const slices = new Slices()
  const trace = new Trace(deps, slices)
  try {
    const lost = await trace.findLost()
    failpoint('gc.marked')
    const removal = { deps, trace, slices }
    await removeEach(removal, lost.images, ({ namespace, id }) => deps.images.delete(namespace, id))
    const snapshots = await removeEach(removal, childrenFirst(lost.snapshots), async ({ namespace, kind, id }) => {
      await deps.snapshotters.get(kind.slice('snapshots/'.length))?.remove(namespace, id)
      failpoint('gc.snapshot-removed')
    })
    const contents = await removeContent(removal, lost.content)
    const isLeased = (namespace: string, id: string) => trace.isLost({ namespace, kind: 'ingests', id }) !== true
    await trace.settle()
    await deps.content.sweep(INGEST_IDLE_MS, isLeased)
    return { contents, snapshots }
  } finally {
    trace.close()
  }
}

interface Removal {
  deps: CollectDeps
  trace: Trace
  slices: Slices
}

/** Each record goes in the turn in which it was found to be nobody's: no client makes a reference in between. @returns how many went. */
async function removeEach<Kind extends Node>(
  { deps, trace, slices }: Removal,
  nodes: readonly Kind[],
  remove: (node: Kind) => Promise<void>,
): Promise<number> {
  let count = 0
  for (const node of nodes) {
    await slices.next()
    while (trace.isLost(node) === undefined) await trace.settle()
    if (!trace.isLost(node)) continue
    try {
      await remove(node)
      count++
    } catch (error) {
      // A child came meanwhile, or a client removed it himself: the next time will see.
      deps.log.debug('not collected', { node: nodeKey(node), error: messageOf(error) })
    }
  }
  return count
}

/** The files go when the removal of the records is on disk, for which many wait together. */
async function removeContent(removal: Removal, nodes: readonly Node[]): Promise<number> {
  const { content } = removal.deps
  const forgotten: Digest[] = []
  const removeFiles = () => content.removeForgotten(forgotten.splice(0), removal.slices)
  const count = await removeEach(removal, nodes, async ({ namespace, id }) => {
    content.forget(namespace, id as Digest)
    failpoint('gc.content-removed')
    if (forgotten.push(id as Digest) >= BATCH) await removeFiles()
  })
  await removeFiles()
  return count
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
