// How much a repository may hold: `policy.repository.quotas`. What it holds is the size of every blob that it may see, shared ones too.
import { ApiError } from '../api-error.ts'
import { matchesPattern } from '../auth/access-rules.ts'
import type { RepositoryName } from '../names.ts'
import type { Registry } from '../registry.ts'

export interface Quota {
  /** Patterns as those of access rules; the first rule that matches counts. */
  repositories: readonly string[]
  bytes: number
}

export function quotaOf({ settings }: Registry, name: RepositoryName): number {
  const rule = settings.quotas.find(({ repositories }) =>
    repositories.some((pattern) => matchesPattern(pattern, name, '')),
  )
  return rule?.bytes ?? Number.POSITIVE_INFINITY
}

/** Bytes that are left; infinite without a quota. */
export async function roomIn(registry: Registry, name: RepositoryName): Promise<number> {
  const quota = quotaOf(registry, name)
  if (quota === Number.POSITIVE_INFINITY) return quota
  let used = 0
  for await (const digest of registry.store.listBlobLinks(name)) used += (await registry.store.statBlob(digest)) ?? 0
  return quota - used
}

/** Does `work`, which adds so many bytes to the repository, if they fit; one at a time. Throws DENIED. */
export async function withRoom<T>(
  registry: Registry,
  name: RepositoryName,
  size: number,
  work: () => Promise<T>,
): Promise<T> {
  if (quotaOf(registry, name) === Number.POSITIVE_INFINITY) return work()
  return registry.quotas.run(name, async () => {
    if ((await roomIn(registry, name)) < size) throw overQuota(registry, name)
    return work()
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
