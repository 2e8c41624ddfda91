// Which registry stands behind a repository's name: `proxy` of the configuration.
import type { RegistryAuth } from '../../upstream/registry-auth.ts'
import { UpstreamSession } from '../../upstream/upstream-session.ts'
import type { RepositoryName } from '../names.ts'

export interface UpstreamSettings {
  /** Repositories below this name are its own, without the name; empty is all of them. */
  name: string
  url: string
  auth: RegistryAuth | undefined
}

export interface Upstream {
  session: UpstreamSession
  host: string
  /** The repository's name there. */
  remoteName: string
}

export class Upstreams {
  readonly #all: readonly (UpstreamSettings & { session: UpstreamSession })[]

  constructor(settings: readonly UpstreamSettings[]) {
    this.#all = settings.map((each) => ({ ...each, session: new UpstreamSession(new URL(each.url), each.auth) }))
  }

  /** Of a request's `ns`: the upstream's name, if there is one of that name. */
  namespaceOf(ns: string | null): string | undefined {
    return this.#all.find(({ name }) => name !== '' && name === ns)?.name
  }

  /** Undefined: the repository is our own. */
  find(name: RepositoryName): Upstream | undefined {
    const found = this.#all.find((each) => each.name === '' || name.startsWith(`${each.name}/`))
    if (found === undefined) return undefined
    const remoteName = found.name === '' ? name : name.slice(found.name.length + 1)
    return { session: found.session, host: new URL(found.url).host, remoteName }
  }
}
