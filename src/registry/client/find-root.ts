// What a name stands for, at the first of its endpoints that knows.
import { Failure } from '../../base/failure.ts'
import type { Reference } from '../../oci/reference.ts'
import { pullEndpoints } from './configured-endpoints.ts'
import type { PullRequest } from './puller.ts'
import type { manifestFailure } from './registry-error.ts'
import { RegistrySession } from './registry-session.ts'
import { type ResolvedManifest, resolveManifest } from './resolve-manifest.ts'

export type RootRequest = Pick<PullRequest, 'auth' | 'insecureRegistries' | 'mirrors' | 'certsDirectory' | 'signal'>

export interface Root {
  /** With who knew it. */
  session: RegistrySession
  root: ResolvedManifest
  /** With all that may be asked for what it names, in this order: as they are configured, but those last that did not know it. Never empty. */
  sessions: readonly RegistrySession[]
}

/** Mirrors are asked first; whatever is wrong with one, the registry itself decides. */
export async function findRoot(
  request: RootRequest,
  reference: Reference,
  refuse?: typeof manifestFailure,
): Promise<Root> {
  const endpoints = (await pullEndpoints(reference, request)).map((endpoint) => {
    // What was entered for the registry is none of a mirror's business.
    const auth = endpoint.isMirror ? undefined : request.auth
    const session = new RegistrySession(endpoint, { repository: reference.path, actions: 'pull', auth })
    return { session, resolves: endpoint.resolves }
  })
  const askable = endpoints.flatMap(({ session, resolves }) => (resolves ? [session] : []))
  for (const [index, session] of askable.entries()) {
    try {
      const root = await resolveManifest(session, reference, request.signal, refuse)
      const failed = new Set(askable.slice(0, index))
      const others = endpoints.flatMap((one) => (failed.has(one.session) ? [] : [one.session]))
      return { session, root, sessions: [...others, ...failed] }
    } catch (error) {
      if (index === askable.length - 1 || request.signal.aborted) throw error
    }
  }
  throw new Failure('internal', 'no endpoint to pull from')
}
