// How much a repository may hold: `policy.repository.quotas`. What it holds is the size of every blob that it may see, shared ones too.
import type { Digest } from '../../../oci/digest.ts'
import { ApiError } from '../api-error.ts'
import { matchesPattern } from '../auth/access-rules.ts'
import type { RepositoryName } from '../names.ts'
import type { Registry } from '../registry.ts'

export interface Quota {
  /** Patterns as those of access rules; the first rule that matches counts. */
  repositories: readonly string[]
  bytes: number
}

function quotaOf({ settings }: Registry, name: RepositoryName): number {
  const rule = settings.quotas.find(({ repositories }) =>
    repositories.some((pattern) => matchesPattern(pattern, name, '')),
  )
  return rule?.bytes ?? Number.POSITIVE_INFINITY
}

/** Throws DENIED where so many bytes more are too many. */
export async function requireRoom(registry: Registry, name: RepositoryName, size: number): Promise<void> {
  let room = quotaOf(registry, name)
  if (room === Number.POSITIVE_INFINITY) return
  for await (const digest of registry.store.listBlobLinks(name)) room -= await registry.sizes.of(digest)
  if (room < size) throw overQuota(registry, name)
}

/**
 * Makes a blob, which is there, one of the repository's, if it fits; of all nodes one at a time for a repository with a quota. Throws
 * DENIED, and Failure('unavailable') when its turn does not come.
 */
export async function linkWithinQuota(
  registry: Registry,
  name: RepositoryName,
  digest: Digest,
  size: number,
): Promise<void> {
  const { store } = registry
  if (await store.isBlobLinked(name, digest)) return
  if (quotaOf(registry, name) === Number.POSITIVE_INFINITY) return store.linkBlob(name, digest)
  await requireRoom(registry, name, size) // most sizes are known after it, so that nobody waits long for the next
  await store.exclusively(name, async (mustHold) => {
    if (await store.isBlobLinked(name, digest)) return
    await requireRoom(registry, name, size)
    mustHold()
    await store.linkBlob(name, digest)
  })
}

/** Nobody fills the disk with an upload that can't fit. Whether it does is known at its end: the repository may have the blob already. */
export async function* withinRoom(
  registry: Registry,
  name: RepositoryName,
  offset: number,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let room = quotaOf(registry, name) - offset
  for await (const part of source) {
    room -= part.length
    if (room < 0) throw overQuota(registry, name)
    yield part
  }
}

function overQuota(registry: Registry, name: RepositoryName): ApiError {
  return new ApiError('DENIED', {
    message: `the quota of ${name} is exceeded`,
    detail: { bytes: quotaOf(registry, name) },
  })
}
