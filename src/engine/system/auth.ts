// POST /auth: whether a registry takes these credentials. What `docker login` asks before it keeps them.
import { Failure } from '../../base/failure.ts'
import { CERTS_DIRECTORY } from '../../registry/upstream/tls-files.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { readAuth } from '../image/registry-auth.ts'
import { isObject } from '../settings/setting-value.ts'

const HUB_NAMES = ['', 'docker.io', 'index.docker.io', 'registry-1.docker.io']

export async function checkAuth(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const body = (await request.json()) ?? {}
  if (!isObject(body)) throw new Failure('invalid-argument', 'invalid JSON: not an object')
  const domain = registryDomain(body['serveraddress'])
  const { RegistrySession } = await import('../../registry/client/registry-session.ts')
  const { pushEndpoint } = await import('../../registry/client/configured-endpoints.ts')
  const { insecureRegistries } = engine.config
  const endpoint = await pushEndpoint(domain, { insecureRegistries, certsDirectory: CERTS_DIRECTORY })
  // A session is about a repository; the root of the API is above any.
  const session = new RegistrySession(endpoint, { repository: 'x', actions: '', auth: readAuth(body) })
  const response = await session.request({ method: 'GET', path: '../', signal: request.signal })
  response.destroy()
  const status = response.statusCode ?? 0
  if (status === 401)
    throw new Failure(
      'unauthenticated',
      `login attempt to ${session.scheme}://${endpoint.host}/v2/ failed with status: 401 Unauthorized`,
    )
  if (status >= 400)
    throw new Failure(
      'internal',
      `login attempt to ${session.scheme}://${endpoint.host}/v2/ failed with status: ${status}`,
    )
  return { kind: 'json', status: 200, body: { IdentityToken: '', Status: 'Login Succeeded' } }
}

/** Clients send a host, or an address with a scheme and a path. */
function registryDomain(address: unknown): string {
  if (address !== undefined && typeof address !== 'string')
    throw new Failure('invalid-argument', 'serveraddress must be a string')
  const host = (address ?? '').replace(/^https?:\/\//, '').replace(/\/.*$/, '')
  if (HUB_NAMES.includes(host)) return 'docker.io'
  if (!/^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/.test(host))
    throw new Failure('invalid-argument', `invalid registry: ${JSON.stringify(address)}`)
  return host
}
