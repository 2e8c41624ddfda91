// The collector: removes blobs that no manifest needs, while the registry serves.
//
// Mark: every manifest of every repository, and what it names. A blob outside of that is condemned: a durable mark with the time. Whoever
// pushes, mounts or asks for a blob takes the mark away (see hold-blob.ts). Sweep: a blob whose mark is older than the grace period *and*
// that a later marking still did not find is claimed, which nobody can take back, and removed. A manifest is written before its blobs
// are held, so that either the marking sees the manifest, or holding finds the claim and the push is refused: nothing that was
// acknowledged is lost. What a crash leaves claimed, the next round finishes.
import type { Clock } from '../../../base/clock.ts'
import { messageOf } from '../../../base/failure.ts'
import type { Log } from '../../../base/log.ts'
import type { Digest } from '../../../oci/digest.ts'
import { readManifest } from '../content/find-manifest.ts'
import type { RepositoryName } from '../names.ts'
import type { RegistryStore } from '../storage/store.ts'

export interface CollectOptions {
  /** Longer than any client takes from a blob's upload to its manifest. */
  graceMs: number
  /** Manifests that no tag, no index and no subject leads to go, too. */
  deleteUntagged: boolean
  dryRun: boolean
}

export interface Collected {
  manifests: number
  /** Newly marked. */
  condemned: number
  removed: number
  removedBytes: number
}

/** A claim that old is of a collector that is no more. */
const CLAIM_STALE_MS = 60_000

export interface Collector {
  store: RegistryStore
  clock: Clock
  log: Log
}

/** One round. Rounds must not overlap in one process; of several processes each claim has one winner. */
export async function collect(collector: Collector, options: CollectOptions): Promise<Collected> {
  const { store, clock, log } = collector
  const total: Collected = { manifests: 0, condemned: 0, removed: 0, removedBytes: 0 }
  if (!options.dryRun) await finishStaleClaims(collector)
  // Before the marking: only what was condemned before it began can be swept after it.
  const condemned = new Map<Digest, number>()
  for await (const { digest, since, claimed } of store.listCondemned()) if (!claimed) condemned.set(digest, since)
  const { needed, holders } = await mark(collector, options, total)
  for (const digest of condemned.keys())
    if (needed.has(digest)) {
      condemned.delete(digest)
      if (!options.dryRun) await store.pardonBlob(digest)
    }
  const limit = clock.now() - options.graceMs
  for await (const digest of store.listBlobs()) {
    if (needed.has(digest)) continue
    const since = condemned.get(digest)
    if (since === undefined) {
      total.condemned++
      log.info('blob is condemned', { digest })
      if (!options.dryRun) await store.condemnBlob(digest, clock.now())
    } else if (since <= limit) await sweep(collector, digest, holders.get(digest) ?? [], options, total)
  }
  return total
}

async function sweep(
  { store, clock, log }: Collector,
  digest: Digest,
  holders: readonly RepositoryName[],
  { dryRun }: CollectOptions,
  total: Collected,
): Promise<void> {
  const size = (await store.statBlob(digest)) ?? 0
  if (!dryRun) {
    if (!(await store.claimBlob(digest, clock.now()))) return // somebody counts on it again
    for (const name of holders) await store.unlinkBlob(name, digest)
    await store.removeBlob(digest)
    await store.releaseBlob(digest)
  }
  total.removed++
  total.removedBytes += size
  log.info('blob is removed', { digest, size })
}

/** Nobody has counted on a claimed blob: who tried was told to wait, and refused. */
async function finishStaleClaims({ store, clock }: Collector): Promise<void> {
  for await (const { digest, since, claimed } of store.listCondemned()) {
    if (!claimed || since > clock.now() - CLAIM_STALE_MS) continue
    await store.removeBlob(digest)
    await store.releaseBlob(digest)
  }
}

interface Marked {
  needed: Set<Digest>
  /** Repositories that may see a blob, whether they need it or not. */
  holders: Map<Digest, RepositoryName[]>
}

async function mark(collector: Collector, options: CollectOptions, total: Collected): Promise<Marked> {
  const { store } = collector
  const marked: Marked = { needed: new Set(), holders: new Map() }
  for (const name of await store.listRepositories()) {
    for await (const digest of store.listBlobLinks(name)) {
      const known = marked.holders.get(digest)
      if (known === undefined) marked.holders.set(digest, [name])
      else known.push(name)
    }
    if (options.deleteUntagged) await removeUntagged(collector, name, options)
    for await (const digest of store.listManifests(name)) {
      total.manifests++
      marked.needed.add(digest)
      for (const part of await partsOf(collector, name, digest)) marked.needed.add(part)
    }
  }
  return marked
}

/** A manifest that can't be read keeps itself; what it needs can't be known, and that is said. */
async function partsOf({ store, log }: Collector, name: RepositoryName, digest: Digest): Promise<Digest[]> {
  const found = await readManifest(store, name, digest).catch((error) => {
    throw new Error(`manifest ${name}@${digest} can't be read, so nothing can be collected: ${messageOf(error)}`)
  })
  if (found === undefined) {
    log.warn('manifest has no content', { repository: name, digest })
    return []
  }
  const { document } = found
  const parts = document.kind === 'index' ? document.manifests : [document.config, ...document.layers]
  return parts.map((part) => part.digest)
}

async function removeUntagged({ store, log }: Collector, name: RepositoryName, options: CollectOptions): Promise<void> {
  const before: Digest[] = []
  for await (const digest of store.listManifests(name)) before.push(digest)
  const kept = new Set<Digest>()
  const keep = async (digest: Digest): Promise<void> => {
    if (kept.has(digest)) return
    const found = await readManifest(store, name, digest)
    if (found === undefined) return
    kept.add(digest)
    if (found.document.kind === 'index') for (const part of found.document.manifests) await keep(part.digest)
    for (const referrer of await store.listReferrers(name, digest)) await keep(referrer)
  }
  for (const tag of (await store.listTags(name)) ?? []) {
    const digest = await store.readTag(name, tag)
    if (digest !== undefined) await keep(digest)
  }
  for (const digest of before) {
    if (kept.has(digest)) continue
    const found = await readManifest(store, name, digest)
    log.info('manifest is removed', { repository: name, digest })
    if (!options.dryRun) await store.unlinkManifest(name, digest, found?.document.subject?.digest)
  }
}
