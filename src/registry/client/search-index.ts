// What an index has for a term: Docker's first API for registries, of which the search alone is in use, at Docker Hub.
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { booleanOf, listOf, numberOf, objectOf, optional, parseJsonObject, stringOf } from '../../oci/json-shape.ts'
import { authorize, basicAuthorization } from '../upstream/authorize.ts'
import { loadCertificates } from './certs-directory.ts'
import { isInsecure } from './endpoint.ts'
import type { TlsFiles } from '../upstream/tls-files.ts'
import { readBody, sendRequest } from '../upstream/http-request.ts'
import { parseChallenges } from '../upstream/parse-challenge.ts'
import type { RegistryAuth } from '../upstream/registry-auth.ts'

export interface SearchRequest {
  /** `term`, or `index.example.com/term`. */
  term: string
  limit: number
  auth: RegistryAuth | undefined
  insecureRegistries: readonly string[]
  /** A directory per registry: `certs.d`. Left out: none. */
  certsDirectory?: string
  signal: AbortSignal
}

export interface FoundRepository {
  name: string
  description: string
  stars: number
  isOfficial: boolean
}

/** Also what Docker Hub's index calls itself. */
const HUB = 'index.docker.io'
const LIMIT_MAX = 100
const ANSWER_BYTES_MAX = 8 * 1024 * 1024
const PING_BYTES_MAX = 64 * 1024

/** In the order that the index gives. Throws in Docker's words. */
export async function searchIndex(request: SearchRequest): Promise<FoundRepository[]> {
  const { term, limit } = request
  if (/^https?:\/\//.test(term))
    throw new Failure('invalid-argument', `invalid repository name: repository name (${term}) should not have a scheme`)
  const { index, name } = splitTerm(term)
  const base = index === HUB ? new URL(`https://${HUB}/v1/`) : await findIndex(request, index)
  if (limit < 1 || limit > LIMIT_MAX)
    throw new Failure('invalid-argument', `limit ${limit} is outside the range of [1, ${LIMIT_MAX}]`)
  const url = new URL(`search?${new URLSearchParams({ q: name, n: String(limit) })}`, base)
  const { status, body } = await ask(request, url)
  if (status !== 200) throw new Failure('unknown', `Unexpected status code ${status}`)
  return parseResults(body)
}

function splitTerm(term: string): { index: string; name: string } {
  const slash = term.indexOf('/')
  const first = slash < 0 ? '' : term.slice(0, slash)
  const isHub = !/[.:]/.test(first) && first !== 'localhost'
  const index = isHub || first === 'docker.io' ? HUB : first
  const name = isHub ? term : term.slice(slash + 1)
  return { index, name: index === HUB ? name.replace(/^library\//, '') : name }
}

/** Over TLS, or where that may be done without, over whatever answers. */
async function findIndex(request: SearchRequest, host: string): Promise<URL> {
  const ping = async (scheme: string): Promise<URL> => {
    const url = new URL(`${scheme}://${host}/v1/_ping`)
    const insecure = isInsecure(host, request.insecureRegistries)
    const { signal } = request
    const tls = await certificatesFor(request, host)
    const response = await sendRequest({ method: 'GET', url, headers: {}, insecure, tls, signal })
    await readBody(response, PING_BYTES_MAX)
    return new URL(`${scheme}://${host}/v1/`)
  }
  try {
    return await ping('https')
  } catch (error) {
    if (request.signal.aborted || !isFailure(error)) throw error
    if (!isInsecure(host, request.insecureRegistries)) throw unsafe(host, error)
    return await ping('http').catch((second: unknown) => {
      throw new Failure(
        'invalid-argument',
        `invalid registry endpoint "http://${host}/v1/". HTTPS attempt: ${error.message}. HTTP attempt: ${messageOf(second)}`,
        { cause: second },
      )
    })
  }
}

function unsafe(host: string, error: Error): Failure {
  return new Failure(
    'invalid-argument',
    `invalid registry endpoint https://${host}/v1/: ${error.message}. If this private registry supports only HTTP or HTTPS with an unknown CA certificate, please add \`--insecure-registry ${host}\` to the daemon's arguments. In the case of HTTPS, if you have access to the registry's CA certificate, no need for the flag; simply place the CA certificate at /etc/docker/certs.d/${host}/ca.crt`,
    { cause: error },
  )
}

async function certificatesFor({ certsDirectory }: SearchRequest, host: string): Promise<TlsFiles | undefined> {
  return certsDirectory === undefined ? undefined : loadCertificates(certsDirectory, host)
}

/** What there is to show of who asks is shown where that is wanted. */
async function ask(request: SearchRequest, url: URL): Promise<{ status: number; body: Buffer }> {
  const { auth, signal } = request
  const insecure = isInsecure(url.host, request.insecureRegistries)
  const tls = await certificatesFor(request, url.host)
  const send = async (authorization: string | undefined) => {
    const headers = { 'x-docker-token': 'true', ...(authorization === undefined ? {} : { authorization }) }
    const response = await sendRequest({ method: 'GET', url, headers, insecure, tls, signal })
    const challenges = parseChallenges(response.headers['www-authenticate'] ?? '')
    return { status: response.statusCode ?? 0, challenges, body: await readBody(response, ANSWER_BYTES_MAX) }
  }
  const first = await send(auth?.identityToken ? undefined : basicAuthorization(auth))
  if (first.status !== 401) return first
  const { challenges } = first
  const scope = 'registry:catalog:search'
  const authorization = await authorize({ challenges, registry: url, scope, auth, insecure, tls, signal })
  return authorization === undefined ? first : await send(authorization)
}

function parseResults(body: Buffer): FoundRepository[] {
  const document = parseJsonObject(body, 'error decoding registry search results')
  return listOf(document['results'], 'results', (value, what) => {
    const result = objectOf(value, what)
    const text = (key: string) => optional(result[key], `${what}.${key}`, stringOf) ?? ''
    return {
      name: text('name'),
      description: text('description'),
      stars: optional(result['star_count'], `${what}.star_count`, numberOf) ?? 0,
      isOfficial: optional(result['is_official'], `${what}.is_official`, booleanOf) ?? false,
    }
  })
}
