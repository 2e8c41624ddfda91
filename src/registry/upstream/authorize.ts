// Answers a registry's challenge: basic, or a bearer token from the service that the registry names (distribution's token specification).
import { Failure } from '../../base/failure.ts'
import { parseJsonObject } from '../../oci/json-shape.ts'
import { hostName } from './host-name.ts'
import { readBody, sendRequest } from './http-request.ts'
import type { Challenge } from './parse-challenge.ts'
import type { TlsFiles } from './tls-files.ts'
import type { RegistryAuth } from './registry-auth.ts'

export interface AuthorizeRequest {
  challenges: readonly Challenge[]
  /** What the challenge came from; nothing else may make us show credentials. */
  registry: URL
  /** Wanted where the challenge names none: `repository:library/busybox:pull`. */
  scope: string
  auth: RegistryAuth | undefined
  insecure: boolean
  /** Of the registry, and for its token service, too: whom it trusts, and what it is shown. */
  tls?: TlsFiles | undefined
  signal: AbortSignal
}

const TOKEN_BYTES_MAX = 1024 * 1024

/** The value of an Authorization header; undefined where there is nothing more to show. Throws Failure('unauthenticated') when the token service refuses. */
export async function authorize(request: AuthorizeRequest): Promise<string | undefined> {
  const { auth } = request
  if (auth?.authorization) return auth.authorization
  for (const challenge of request.challenges) {
    if (challenge.scheme === 'bearer') {
      if (auth?.registryToken) return `Bearer ${auth.registryToken}`
      return `Bearer ${await fetchToken(request, challenge)}`
    }
    const basic = basicAuthorization(auth)
    if (basic !== undefined) return basic
  }
  return undefined
}

export function basicAuthorization(auth: RegistryAuth | undefined): string | undefined {
  if (!auth?.username) return undefined
  return `Basic ${Buffer.from(`${auth.username}:${auth.password ?? ''}`).toString('base64')}`
}

async function fetchToken(request: AuthorizeRequest, challenge: Challenge): Promise<string> {
  const { auth } = request
  const { realm = '', service = '' } = challenge.parameters
  const url = parseRealm(realm)
  const hasCredentials = Boolean(auth?.identityToken || auth?.username)
  if (hasCredentials) checkTrusted(url, request.registry)
  const scopes = challenge.parameters['scope']?.split(' ') ?? [request.scope]
  const identity = auth?.identityToken ? await exchangeIdentity(request, url, { service, scopes }) : undefined
  if (identity !== undefined) return identity
  if (service !== '') url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  const basic = basicAuthorization(auth)
  if (basic !== undefined && auth?.username) url.searchParams.set('account', auth.username)
  const headers = { accept: 'application/json', ...(basic === undefined ? {} : { authorization: basic }) }
  const response = await sendRequest({
    method: 'GET',
    url,
    headers,
    insecure: request.insecure,
    tls: request.tls,
    signal: request.signal,
  })
  return tokenOf(url, response.statusCode ?? 0, await readBody(response, TOKEN_BYTES_MAX), basic !== undefined)
}

/** OAuth2 refresh: what `docker login` keeps instead of a password. Undefined where the service does not know the method. */
async function exchangeIdentity(
  request: AuthorizeRequest,
  url: URL,
  wanted: { service: string; scopes: readonly string[] },
): Promise<string | undefined> {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: request.auth?.identityToken ?? '',
    service: wanted.service,
    client_id: 'docker',
    scope: wanted.scopes.join(' '),
  })
  const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' }
  const body = Buffer.from(form.toString())
  const response = await sendRequest({
    method: 'POST',
    url,
    headers,
    body,
    insecure: request.insecure,
    tls: request.tls,
    signal: request.signal,
  })
  const answer = await readBody(response, TOKEN_BYTES_MAX)
  if (response.statusCode === 404 || response.statusCode === 405) return undefined
  return tokenOf(url, response.statusCode ?? 0, answer, true)
}

function tokenOf(url: URL, status: number, body: Buffer, hadCredentials: boolean): string {
  if (status === 401 || status === 403)
    throw new Failure(
      'unauthenticated',
      hadCredentials ? 'unauthorized: incorrect username or password' : 'unauthorized: authentication required',
    )
  if (status < 200 || status > 299)
    throw new Failure('unavailable', `token service ${url.host}: received unexpected HTTP status: ${status}`)
  const answer = parseJsonObject(body, `token service ${url.host}`)
  const token = answer['token'] || answer['access_token']
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    throw new Failure('unauthenticated', 'authorization server did not include a token in the response')
  return token
}

function parseRealm(realm: string): URL {
  let url: URL
  try {
    url = new URL(realm)
  } catch {
    throw new Failure('invalid-argument', `invalid token auth challenge realm: ${JSON.stringify(realm)}`)
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new Failure('invalid-argument', `invalid token auth challenge realm: ${JSON.stringify(realm)}`)
  return url
}

/**
 * A password is shown to the registry that it was given for and to its own site (auth.docker.io for registry-1.docker.io), never
 * in clear where the registry itself speaks TLS.
 */
function checkTrusted(realm: URL, registry: URL): void {
  const [asked, home] = [hostName(realm.host), hostName(registry.host)]
  const sameSite = asked === home || (siteOf(asked) === siteOf(home) && siteOf(home) !== '')
  const downgraded = registry.protocol === 'https:' && realm.protocol !== 'https:'
  if (sameSite && !downgraded) return
  throw new Failure(
    'permission-denied',
    `registry ${registry.host} asks for its credentials to be sent to ${realm.origin}, which is not its own site`,
  )
}

/** The last two labels of a name; nothing for addresses and single names. */
function siteOf(name: string): string {
  if (/^[\d.]+$|:/.test(name)) return ''
  const labels = name.toLowerCase().split('.')
  // co.uk and its like: one label more, so that two customers of a registrar are not one site.
  const count = labels.length > 2 && labels.at(-1)!.length === 2 && labels.at(-2)!.length <= 3 ? 3 : 2
  return labels.length < count ? '' : labels.slice(-count).join('.')
}
