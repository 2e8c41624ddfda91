// Reading from one registry as a client of it: challenges answered, tokens kept as long as they are taken, redirects followed.
import type { IncomingMessage } from 'node:http'
import { Failure } from '../../base/failure.ts'
import { authorize } from './authorize.ts'
import { sendRequest } from './http-request.ts'
import { parseChallenges } from './parse-challenge.ts'
import type { RegistryAuth } from './registry-auth.ts'

const REDIRECTS_MAX = 5
const SCOPES_MAX = 1000

export class UpstreamSession {
  readonly #registry: URL
  readonly #auth: RegistryAuth | undefined
  /** By scope. */
  readonly #authorizations = new Map<string, string>()

  constructor(registry: URL, auth: RegistryAuth | undefined) {
    this.#registry = registry
    this.#auth = auth
  }

  /**
   * `path` is below `/v2/`. Resolves with the head of the answer, whatever its status; the caller reads or destroys it. Throws
   * ConnectionFailure where there is none, Failure('unauthenticated') where the token service refuses.
   */
  async request(
    method: 'GET' | 'HEAD',
    path: string,
    { name, headers = {}, signal }: { name: string; headers?: Readonly<Record<string, string>>; signal: AbortSignal },
  ): Promise<IncomingMessage> {
    const url = new URL(`v2/${path}`, `${this.#registry.href.replace(/\/$/, '')}/`)
    const scope = `repository:${name}:pull`
    const send = () => this.#follow(method, url, headers, this.#authorizations.get(scope), signal)
    const first = await send()
    if (first.statusCode !== 401) return first
    const challenges = parseChallenges(first.headers['www-authenticate'] ?? '')
    first.resume()
    const request = { challenges, registry: this.#registry, scope, auth: this.#auth, insecure: false, signal }
    const authorization = await authorize(request)
    if (authorization === undefined) throw new Failure('unauthenticated', `${this.#registry.host} wants a password`)
    const [oldest] = this.#authorizations.keys()
    if (this.#authorizations.size >= SCOPES_MAX && oldest !== undefined) this.#authorizations.delete(oldest)
    this.#authorizations.set(scope, authorization)
    return send()
  }

  /** What is shown to the registry is shown to nobody that it sends us to. */
  async #follow(
    method: 'GET' | 'HEAD',
    start: URL,
    headers: Readonly<Record<string, string>>,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    let url = start
    for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
      const isHome = url.origin === start.origin
      const shown = authorization === undefined || !isHome ? {} : { authorization }
      const response = await sendRequest({ method, url, headers: { ...headers, ...shown }, insecure: false, signal })
      const { location } = response.headers
      if (![301, 302, 303, 307, 308].includes(response.statusCode ?? 0) || location === undefined) return response
      response.resume()
      url = new URL(location, url)
      if (url.protocol !== 'https:' && url.protocol !== start.protocol)
        throw new Failure('unavailable', `${start.host} redirects to ${url.protocol}, which is not safe`)
    }
    throw new Failure('unavailable', `${start.host} redirects without an end`)
  }
}
