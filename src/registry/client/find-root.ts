// What a name stands for, at the first of its endpoints that knows.
import { Failure } from '../../base/failure.ts'
import type { Reference } from '../../oci/reference.ts'
import { pullEndpoints } from './configured-endpoints.ts'
import type { PullRequest } from './puller.ts'
import type { manifestFailure } from './registry-error.ts'
import { RegistrySession } from './registry-session.ts'
import { type ResolvedManifest, resolveManifest } from './resolve-manifest.ts'

export type RootRequest = Pick<PullRequest, 'auth' | 'insecureRegistries' | 'mirrors' | 'certsDirectory' | 'signal'>

/** Mirrors are asked first; whatever is wrong with one, the registry itself decides. */
export async function findRoot(
  request: RootRequest,
  reference: Reference,
  refuse?: typeof manifestFailure,
): Promise<{ session: RegistrySession; root: ResolvedManifest }> {
  const endpoints = await pullEndpoints(reference, request)
  for (const [index, endpoint] of endpoints.entries()) {
    // What was entered for the registry is none of a mirror's business.
    const auth = endpoint.isMirror ? undefined : request.auth
    const session = new RegistrySession(endpoint, { repository: reference.path, actions: 'pull', auth })
    try {
      return { session, root: await resolveManifest(session, reference, request.signal, refuse) }
    } catch (error) {
      if (index === endpoints.length - 1 || request.signal.aborted) throw error
    }
  }
  throw new Failure('internal', 'no endpoint to pull from')
}
