// The collector: removes blobs that no manifest needs, while the registry serves.
//
// Mark: every manifest of every repository, and what it names. A blob outside of that is condemned: a durable mark with the time. Whoever
// pushes, mounts or asks for a blob takes the mark away (see hold-blob.ts). Sweep: a blob whose mark is older than the grace period *and*
// that a later marking still did not find is claimed, which nobody can take back, and removed. A manifest is written before its blobs
// are held, so that either the marking sees the manifest, or holding finds the claim and the push is refused: nothing that was
// acknowledged is lost. What a crash leaves claimed, the next round finishes.
import type { Clock } from '../../../base/clock.ts'
import { withSubject } from '../../../base/failure.ts'
import type { Log } from '../../../base/log.ts'
import type { Digest } from '../../../oci/digest.ts'
import { readManifest } from '../content/find-manifest.ts'
import { failpoint } from '../failpoints.ts'
import type { RepositoryName } from '../names.ts'
import type { Claim, CondemnedBlob, RegistryStore } from '../storage/store.ts'

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

/** A claim that old is of a collector that is no more. Who grants less grace than that has nobody to wait for. */
const CLAIM_STALE_MS = 60_000
const CLAIM_STALE_MIN_MS = 1000

export interface Collector {
  store: RegistryStore
  clock: Clock
  log: Log
}

/** One round. Rounds must not overlap in one process; of several processes each claim has one winner. */
export async function collect(collector: Collector, options: CollectOptions): Promise<Collected> {
  const { store, clock, log } = collector
  const total: Collected = { manifests: 0, condemned: 0, removed: 0, removedBytes: 0 }
  // Before the marking: only what was condemned before it began can be swept after it.
  const before: CondemnedBlob[] = []
  for await (const condemned of store.listCondemned()) before.push(condemned)
  const marked = await mark(collector, options)
  failpoint('collect.marked')
  total.manifests = marked.manifests.size
  const round = { collector, options, marked, total }
  const known = new Set(before.map(({ digest }) => digest))
  for (const condemned of before) await judge(round, condemned)
  for await (const digest of store.listBlobs()) {
    if (marked.needed.has(digest) || known.has(digest)) continue
    total.condemned++
    log.info('blob is condemned', { digest })
    if (!options.dryRun) await store.condemnBlob(digest, clock.now())
    failpoint('collect.condemned')
  }
  return total
}

interface Round {
  collector: Collector
  options: CollectOptions
  marked: Marked
  total: Collected
}

async function judge(round: Round, { digest, since, claimed }: CondemnedBlob): Promise<void> {
  const { collector, options, marked } = round
  const { store, clock } = collector
  const staleMs = Math.max(CLAIM_STALE_MIN_MS, Math.min(CLAIM_STALE_MS, options.graceMs))
  const limitMs = claimed ? staleMs : options.graceMs
  if (since > clock.now() - limitMs && !(marked.needed.has(digest) && !claimed)) return
  if (options.dryRun) {
    if (!marked.needed.has(digest)) await count(round, digest)
    return
  }
  if (marked.needed.has(digest)) await (claimed ? store.releaseBlob(digest) : store.pardonBlob(digest))
  else {
    const claim = await (claimed ? store.takeOverClaim(digest, clock.now()) : store.claimBlob(digest, clock.now()))
    if (claim !== undefined) await remove(round, digest, claim)
  }
}

/**
 * Links go first: what a crash leaves of a claimed blob is found by its claim. A collector that has stood still for so long that another has
 * finished for it must not go on: the blob may have been pushed again.
 */
async function remove(round: Round, digest: Digest, claim: Claim): Promise<void> {
  const { store } = round.collector
  failpoint('collect.claimed')
  if (!(await store.holdsClaim(digest, claim))) return
  const { manifests, links } = round.marked
  for (const name of manifests.get(digest) ?? []) {
    const found = await readManifest(store, name, digest)
    await store.unlinkManifest(name, digest, found?.document.subject?.digest)
  }
  for (const name of links.get(digest) ?? []) await store.unlinkBlob(name, digest)
  failpoint('collect.unlinked')
  if (!(await store.holdsClaim(digest, claim))) return
  await count(round, digest)
  await store.removeBlob(digest)
  failpoint('collect.removed')
  if (!(await store.holdsClaim(digest, claim))) return
  await store.releaseBlob(digest)
  failpoint('collect.released')
}

async function count({ collector, total }: Round, digest: Digest): Promise<void> {
  const size = (await collector.store.statBlob(digest)) ?? 0
  total.removed++
  total.removedBytes += size
  collector.log.info('blob is removed', { digest, size })
}

type Holders = Map<Digest, RepositoryName[]>

interface Marked {
  needed: Set<Digest>
  /** Repositories that may see a blob, whether they need it or not. */
  links: Holders
  manifests: Holders
}

async function mark(collector: Collector, options: CollectOptions): Promise<Marked> {
  const { store } = collector
  const marked: Marked = { needed: new Set(), links: new Map(), manifests: new Map() }
  for (const name of await store.listAllRepositories()) {
    for await (const digest of store.listBlobLinks(name)) hold(marked.links, digest, name)
    const roots: Digest[] = []
    for await (const digest of store.listManifests(name)) {
      hold(marked.manifests, digest, name)
      if (!options.deleteUntagged) roots.push(digest)
    }
    if (options.deleteUntagged) roots.push(...(await taggedOf(store, name)))
    const seen = new Set<Digest>()
    for (const digest of roots) await markManifest(collector, name, digest, { seen, needed: marked.needed })
  }
  return marked
}

function hold(holders: Holders, digest: Digest, name: RepositoryName): void {
  const known = holders.get(digest)
  if (known === undefined) holders.set(digest, [name])
  else known.push(name)
}

async function taggedOf(store: RegistryStore, name: RepositoryName): Promise<Digest[]> {
  const found: Digest[] = []
  for (const tag of (await store.listTags(name)) ?? []) {
    const digest = await store.readTag(name, tag)
    if (digest !== undefined) found.push(digest)
  }
  return found
}

/** The manifest, what it names, and what refers to it. */
async function markManifest(
  collector: Collector,
  name: RepositoryName,
  root: Digest,
  { seen, needed }: { seen: Set<Digest>; needed: Set<Digest> },
): Promise<void> {
  const { store } = collector
  const queue = [root]
  for (let digest = queue.pop(); digest !== undefined; digest = queue.pop()) {
    if (seen.has(digest)) continue
    seen.add(digest)
    needed.add(digest)
    const found = await readable(collector, name, digest)
    if (found === undefined) continue
    const { document } = found
    if (document.kind === 'index') queue.push(...document.manifests.map((part) => part.digest))
    else for (const part of [document.config, ...document.layers]) needed.add(part.digest)
    queue.push(...(await store.listReferrers(name, digest)))
  }
}

/** Undefined for what is no manifest of the repository. What one that can't be read needs can't be known: nothing is collected then. */
async function readable({ store }: Collector, name: RepositoryName, digest: Digest) {
  try {
    return await readManifest(store, name, digest)
  } catch (error) {
    throw withSubject(`manifest ${name}@${digest} can't be read, so that nothing can be collected`, error)
  }
}
