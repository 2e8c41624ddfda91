// Talks to one registry about one repository: scheme, challenges, redirects.
import type { IncomingMessage } from 'node:http'
import { type Clock, systemClock } from '../../base/clock.ts'
import { Failure } from '../../base/failure.ts'
import { authorize } from '../upstream/authorize.ts'
import type { Endpoint } from './endpoint.ts'
import { ConnectionFailure, type HttpRequest, readBody, sendRequest } from '../upstream/http-request.ts'
import type { TlsFiles } from '../upstream/tls-files.ts'
import { parseChallenges } from '../upstream/parse-challenge.ts'
import type { AuthSource } from './puller.ts'
import { retryAfterMs } from './retry-after.ts'

export interface SessionRequest {
  method: HttpRequest['method']
  /** Under `/v2/<repository>/`, or a whole URL that the registry gave as a Location. */
  path: string | URL
  headers?: Readonly<Record<string, string>>
  body?: () => Uint8Array | AsyncIterable<Uint8Array>
  signal: AbortSignal
}

export interface SessionOptions {
  repository: string
  /** `pull` or `pull,push`, the scope asked of the token service. */
  actions: string
  auth: AuthSource
  watch?: ExchangeWatch
  /** A registry that can't be reached is told by what was asked of it, not by its base. */
  showsRequests?: boolean
  clock?: Clock
}

/** Told of every request that leaves and of every answer's head. */
export interface ExchangeWatch {
  request(method: string, url: URL, headers: Readonly<Record<string, string>>): void
  response(response: IncomingMessage): void
}

const REDIRECTS_MAX = 10
/** How long one request waits for a registry that says when to come again, in all its turns. What it asks for beyond that is its answer. */
const PAUSES_MS_MAX = 60_000
const PAUSES_MAX = 5
const PAUSE_MS_MIN = 250

/** Plain registries are asked over TLS only once. Keyed by host. */
const knownSchemes = new Map<string, 'https' | 'http'>()

export class RegistrySession {
  readonly endpoint: Endpoint
  readonly #repository: string
  readonly #actions: string
  readonly #auth: AuthSource
  readonly #watch: ExchangeWatch | undefined
  readonly #clock: Clock
  #authorization: string | undefined
  #scheme: 'https' | 'http' | undefined
  #hasAnswered = false

  constructor(endpoint: Endpoint, options: SessionOptions) {
    this.endpoint = endpoint
    this.#watch = options.watch
    this.#clock = options.clock ?? systemClock
    this.#hasAnswered = options.showsRequests ?? false
    this.#repository = options.repository
    this.#actions = options.actions
    this.#auth = options.auth
  }

  /** Known once there was an answer. */
  get scheme(): 'https' | 'http' {
    return this.#scheme ?? 'https'
  }

  /** Finds out how the registry is spoken to. A request does the same; this asks for nothing more. */
  async connect(signal: AbortSignal): Promise<void> {
    await this.#findScheme(signal)
  }

  /** Any status but 401, which is answered with what there is to show, once. A registry that is busy is asked again when it says, within bounds. */
  async request(request: SessionRequest): Promise<IncomingMessage> {
    let waitedMs = 0
    for (let pauses = 0; ; pauses++) {
      const response = await this.#exchange(request)
      const pauseMs = this.#pauseAfter(request, response)
      if (pauseMs === undefined || pauses >= PAUSES_MAX || waitedMs + pauseMs > PAUSES_MS_MAX) return response
      response.destroy()
      waitedMs += pauseMs
      await this.#clock.sleep(pauseMs, request.signal)
      request.signal.throwIfAborted()
    }
  }

  /** In place of a mirror there is somebody else to ask, and what was sent is not sent twice. */
  #pauseAfter({ method }: SessionRequest, response: IncomingMessage): number | undefined {
    if (this.endpoint.isMirror || (method !== 'GET' && method !== 'HEAD')) return undefined
    const askedMs = retryAfterMs(response, this.#clock.now())
    return askedMs === undefined ? undefined : Math.max(askedMs, PAUSE_MS_MIN)
  }

  async #exchange(request: SessionRequest): Promise<IncomingMessage> {
    const scheme = await this.#findScheme(request.signal)
    const url = request.path instanceof URL ? request.path : this.#urlOf(scheme, request.path)
    let response: IncomingMessage
    try {
      response = await this.#follow(request, url)
    } catch (error) {
      if (error instanceof ConnectionFailure) knownSchemes.delete(this.endpoint.host) // what answers there later may be another
      throw error
    }
    if (response.statusCode !== 401) return response
    const answered = await this.#answerChallenge(response, url, request)
    return answered ? await this.#follow(request, url) : response
  }

  async #answerChallenge(response: IncomingMessage, url: URL, { method, signal }: SessionRequest): Promise<boolean> {
    const challenges = parseChallenges(response.headers['www-authenticate'] ?? '')
    // A token that has expired in the middle of a pull is asked for again; one that was refused at once is not.
    const authorization = await authorize({
      challenges,
      registry: url,
      scope: `repository:${this.#repository}:${this.#actions}`,
      auth: typeof this.#auth === 'function' ? await this.#auth() : this.#auth,
      insecure: this.endpoint.insecure,
      tls: this.endpoint.tls,
      signal,
    })
    if (authorization === undefined && challenges.some(({ scheme }) => scheme === 'basic')) {
      response.destroy()
      throw new Failure('unauthenticated', `${requestName(method, url)}: no basic auth credentials`)
    }
    if (authorization === undefined || authorization === this.#authorization) return false
    response.destroy()
    this.#authorization = authorization
    return true
  }

  /** Credentials go to the registry itself: no redirect carries them to another host, nor from TLS into the clear. */
  async #follow(request: SessionRequest, first: URL): Promise<IncomingMessage> {
    let url = first
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      const isHome = url.host === this.endpoint.host && url.protocol === `${this.#scheme}:`
      const headers = {
        ...(isHome ? this.endpoint.headers : {}),
        ...request.headers,
        ...(isHome && this.#authorization !== undefined ? { authorization: this.#authorization } : {}),
      }
      const body = request.body?.()
      const { method, signal } = request
      const insecure = this.endpoint.insecure && isHome
      // A registry that can't be reached is told by its base, which is what Docker asks first.
      const shownUrl = this.#hasAnswered ? url : new URL('/v2/', url)
      this.#watch?.request(method, url, headers)
      const response = await sendRequest({
        method,
        url,
        headers,
        insecure,
        signal,
        shownUrl,
        ...(isHome ? this.#dialing() : { tls: trustOf(this.endpoint.tls) }),
        ...(body === undefined ? {} : { body }),
      })
      this.#watch?.response(response)
      this.#hasAnswered = true
      const location = response.headers.location
      if (![301, 302, 303, 307, 308].includes(response.statusCode ?? 0) || location === undefined) {
        // A challenge from elsewhere is not the registry's: what it would have is nobody's business there.
        if (response.statusCode === 401 && !isHome) response.headers['www-authenticate'] = ''
        return response
      }
      response.destroy()
      const next = parseLocation(location, url)
      if (url.protocol === 'https:' && next.protocol !== 'https:' && !this.endpoint.insecure)
        throw new Failure('permission-denied', `registry ${this.endpoint.host} redirects from https to ${next.origin}`)
      url = next
    }
    throw new Failure('unavailable', `registry ${this.endpoint.host}: stopped after ${REDIRECTS_MAX} redirects`)
  }

  #urlOf(scheme: string, path: string): URL {
    const { host, apiPath = '/v2', namespace } = this.endpoint
    const url = new URL(`${scheme}://${host}${apiPath}/${this.#repository}/${path}`)
    if (namespace !== undefined) url.searchParams.set('ns', namespace)
    return url
  }

  #dialing(): Pick<HttpRequest, 'tls' | 'dialTimeoutMs'> {
    const { tls, dialTimeoutMs } = this.endpoint
    return { tls, dialTimeoutMs }
  }

  /** Tries TLS where both are allowed, and remembers what answered. */
  async #findScheme(signal: AbortSignal): Promise<'https' | 'http'> {
    const { host, schemes, insecure } = this.endpoint
    this.#scheme ??= schemes.length === 1 ? schemes[0] : knownSchemes.get(host)
    if (this.#scheme) return this.#scheme
    try {
      const url = new URL(`https://${host}/v2/`)
      const ping = await sendRequest({ method: 'GET', url, headers: {}, insecure, signal, ...this.#dialing() })
      await readBody(ping, 65536)
      this.#scheme = 'https'
    } catch (error) {
      if (!(error instanceof ConnectionFailure)) throw error
      const url = new URL(`http://${host}/v2/`)
      await readBody(await sendRequest({ method: 'GET', url, headers: {}, insecure, signal }), 65536)
      this.#scheme = 'http'
    }
    knownSchemes.set(host, this.#scheme)
    return this.#scheme
  }
}

/** Whoever vouches for the registry vouches for what it sends us to; who we are is the registry's business alone. */
function trustOf(tls: TlsFiles | undefined): TlsFiles | undefined {
  return tls === undefined ? undefined : { authorities: tls.authorities, pairs: [] }
}

/** What the registry calls elsewhere, an upload's address for one: absolute or relative to what was asked. */
export function parseLocation(location: string, base: URL): URL {
  let url: URL
  try {
    url = new URL(location, base)
  } catch {
    throw new Failure('invalid-argument', `invalid Location: ${JSON.stringify(location.slice(0, 200))}`)
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new Failure('invalid-argument', `invalid Location: ${JSON.stringify(location.slice(0, 200))}`)
  url.username = url.password = ''
  return url
}

/** Docker asks for a manifest's head first, so that is what its users see refused. */
function requestName(method: string, url: URL): string {
  const shown = method === 'GET' && url.pathname.includes('/manifests/') ? 'HEAD' : method
  return `${shown[0]}${shown.slice(1).toLowerCase()} "${url}"`
}
