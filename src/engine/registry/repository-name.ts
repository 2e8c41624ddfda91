// The repository of an engine's image, as the engine's own read-only registry calls it.
import type { Reference } from '../../oci/reference.ts'

/** Distribution-spec's grammar of names. */
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const NAME_LENGTH_MAX = 255

export function isRepositoryName(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX && REPOSITORY.test(name)
}

/**
 * Docker Hub's images are called as Docker Hub calls them, so that an engine can be another's mirror; all others below the host that they came from, its colon
 * written `_`, which no host name holds: `127.0.0.1_5000/team/app`. Undefined for a host that can't be part of such a name.
 */
export function repositoryName({ domain, path }: Pick<Reference, 'domain' | 'path'>): string | undefined {
  const name = domain === 'docker.io' ? path : `${domain.toLowerCase().replace(':', '_')}/${path}`
  return isRepositoryName(name) ? name : undefined
}
