// Tags that mean one manifest for ever: `policy.repository.immutabletags`.
import type { Digest } from '../../../oci/digest.ts'
import { ApiError } from '../api-error.ts'
import { matchesPattern } from '../auth/access-rules.ts'
import type { RepositoryName } from '../names.ts'
import type { Registry } from '../registry.ts'

export interface ImmutableTags {
  /** Patterns as those of access rules. */
  repositories: readonly string[]
  tags: readonly string[]
}

export function isImmutable(rules: readonly ImmutableTags[], name: RepositoryName, tag: string): boolean {
  return rules.some(
    (rule) =>
      rule.repositories.some((pattern) => matchesPattern(pattern, name, '')) &&
      rule.tags.some((pattern) => matchesPattern(pattern, tag, '')),
  )
}

/** Throws TAG_INVALID for an immutable tag that means something else already. */
export async function tagManifest(
  registry: Registry,
  name: RepositoryName,
  tag: string,
  digest: Digest,
): Promise<void> {
  const { store, settings } = registry
  if (!isImmutable(settings.immutableTags, name, tag)) return store.setTag(name, tag, digest)
  const known = await store.createTag(name, tag, digest)
  if (known !== undefined && known !== digest) throw immutable(tag)
}

/** Before anything is written: what can't be tagged in the end need not be stored. */
export async function requireTaggable(
  registry: Registry,
  name: RepositoryName,
  tags: readonly string[],
  digest: Digest,
): Promise<void> {
  for (const tag of tags) {
    if (!isImmutable(registry.settings.immutableTags, name, tag)) continue
    const known = await registry.store.readTag(name, tag)
    if (known !== undefined && known !== digest) throw immutable(tag)
  }
}

export function requireMutable(registry: Registry, name: RepositoryName, tag: string): void {
  if (isImmutable(registry.settings.immutableTags, name, tag)) throw immutable(tag)
}

function immutable(tag: string): ApiError {
  return new ApiError('TAG_INVALID', {
    message: `the tag ${tag} already exists and can't be changed because it is immutable`,
    detail: { tag },
  })
}
