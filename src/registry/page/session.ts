// Requests to the registry's API as a browser makes them: with a password or tokens, by the challenges that every client of a registry gets.
// What was typed is kept in memory only, and is gone with the page.
import { Failure, type FailureCode } from '../../base/failure.ts'
import { listOf, objectOf, parseJsonObject, stringOf } from '../../oci/json-shape.ts'
import { type Challenge, parseChallenges } from '../upstream/parse-challenge.ts'

export interface Asked {
  method?: 'GET' | 'HEAD' | 'DELETE'
  accept?: string
  /** Whose right is asked for; empty for what is no repository's. */
  repository?: string
  signal?: AbortSignal
}

const TOKEN_BYTES_MAX = 64 * 1024
const ERROR_BYTES_MAX = 64 * 1024

const CODES: Readonly<Record<number, FailureCode>> = {
  ...{ 400: 'invalid-argument', 401: 'unauthenticated', 403: 'permission-denied', 404: 'not-found' },
  ...{ 405: 'failed-precondition', 429: 'resource-exhausted', 503: 'unavailable' },
}

export class Session {
  readonly #api: URL
  readonly #fetch: typeof fetch
  #login: { user: string; password: string } | undefined
  /** Of the last challenge; undefined where no tokens are used. */
  #service: { realm: string; service: string } | undefined
  #isChallenged = false
  /** By what they are for. */
  readonly #tokens = new Map<string, string>()

  /** @param api the address of `/v2/`, with the slash at its end. */
  constructor(api: string, fetcher: typeof fetch = (...args) => fetch(...args)) {
    this.#api = new URL(api)
    this.#fetch = fetcher
  }

  /** Undefined for who has not logged in. */
  get user(): string | undefined {
    return this.#login?.user
  }

  /** The registry has asked who is there. */
  get isChallenged(): boolean {
    return this.#isChallenged
  }

  /** Throws Failure('unauthenticated') for a password that is not right, and is logged out then. */
  async logIn(user: string, password: string): Promise<void> {
    this.logOut()
    this.#login = { user, password }
    try {
      await this.request('')
    } catch (error) {
      this.logOut()
      throw error
    }
  }

  logOut(): void {
    this.#login = undefined
    this.#tokens.clear()
  }

  /**
   * The answer, if it is one of success. Throws Failure: `unauthenticated` where a login could help, `permission-denied` where it has not,
   * and what else the registry says. `path` is what follows `/v2/`.
   */
  async request(path: string, asked: Asked = {}): Promise<Response> {
    const key = `${asked.method === 'DELETE' ? 'delete' : 'read'} ${asked.repository ?? ''}`
    let answer = await this.#send(path, asked, this.#tokens.get(key))
    if (answer.status === 401) {
      this.#isChallenged = true
      const challenge = bearerOf(answer)
      if (challenge !== undefined) {
        const token = await this.#takeToken(challenge, asked.signal)
        this.#tokens.set(key, token)
        answer = await this.#send(path, asked, token)
        // The token is new: what it lacks its user has not.
        if (answer.status === 401 && this.#login !== undefined)
          throw new Failure('permission-denied', 'requested access to the resource is denied')
      }
    }
    if (!answer.ok) throw await failureOf(answer, this.#login !== undefined)
    return answer
  }

  /** Whether it is worth a try: the token service says so, and where there is none everybody may who is let in. */
  async mayDelete(repository: string, signal?: AbortSignal): Promise<boolean> {
    if (this.#service === undefined) return true
    const { realm, service } = this.#service
    const parameters = { realm, service, scope: `repository:${repository}:delete` }
    try {
      return grantsDelete(await this.#takeToken({ scheme: 'bearer', parameters }, signal), repository)
    } catch {
      return false
    }
  }

  async #send(path: string, { method = 'GET', accept = '*/*', signal }: Asked, token?: string): Promise<Response> {
    // Says that no browser's own question for a password is wanted.
    const headers: Record<string, string> = { accept, 'x-requested-with': 'XMLHttpRequest' }
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`
    else if (this.#login !== undefined && this.#service === undefined) headers['authorization'] = this.#basic()
    return this.#ask(new URL(path, this.#api), { method, headers, ...(signal === undefined ? {} : { signal }) })
  }

  async #takeToken({ parameters }: Challenge, signal: AbortSignal | undefined): Promise<string> {
    const { realm = '', service = '', scope = '' } = parameters
    this.#service = { realm, service }
    if (!URL.canParse(realm, this.#api.href)) throw new Failure('unavailable', 'the registry names no token service')
    const url = new URL(realm, this.#api)
    if (service !== '') url.searchParams.set('service', service)
    if (scope !== '') url.searchParams.set('scope', scope)
    const headers: Record<string, string> = this.#login === undefined ? {} : { authorization: this.#basic() }
    if (url.origin === this.#api.origin) headers['x-requested-with'] = 'XMLHttpRequest'
    const answer = await this.#ask(url, { headers, ...(signal === undefined ? {} : { signal }) })
    if (!answer.ok) throw await failureOf(answer, this.#login !== undefined)
    const body = parseJsonObject(await readBytes(answer, TOKEN_BYTES_MAX), 'token')
    return stringOf(body['token'] ?? body['access_token'], 'token')
  }

  async #ask(url: URL, init: RequestInit): Promise<Response> {
    // Nothing of a repository stays in the browser for who comes after.
    const options = { ...init, credentials: 'same-origin', cache: 'no-store' } as const
    try {
      return await this.#fetch(url, options)
    } catch (error) {
      if (init.signal?.aborted === true) throw new Failure('cancelled', 'no longer wanted', { cause: error })
      throw new Failure('unavailable', `${url.host} does not answer`, { cause: error })
    }
  }

  #basic(): string {
    const { user, password } = this.#login ?? { user: '', password: '' }
    const bytes = new TextEncoder().encode(`${user}:${password}`)
    return `Basic ${btoa(String.fromCharCode(...bytes))}`
  }
}

/** Throws Failure('resource-exhausted') for what is longer than it may be. */
export async function readBytes(answer: Response, bytesMax: number): Promise<Uint8Array> {
  const tooLong = () => new Failure('resource-exhausted', `the answer is longer than ${bytesMax} bytes`)
  if (Number(answer.headers.get('content-length') ?? 0) > bytesMax) throw tooLong()
  const bytes = new Uint8Array(await answer.arrayBuffer())
  if (bytes.length > bytesMax) throw tooLong()
  return bytes
}

function bearerOf({ headers }: Response): Challenge | undefined {
  return parseChallenges(headers.get('www-authenticate') ?? '').find(({ scheme }) => scheme === 'bearer')
}

/** In the registry's own words. */
async function failureOf(answer: Response, isLoggedIn: boolean): Promise<Failure> {
  const code = CODES[answer.status] ?? (answer.status >= 500 ? 'internal' : 'unknown')
  if (code === 'unauthenticated')
    return new Failure(code, isLoggedIn ? 'incorrect username or password' : 'authentication required')
  try {
    const body = parseJsonObject(await readBytes(answer, ERROR_BYTES_MAX), 'error')
    const [message] = listOf(body['errors'], 'errors', (error, what) =>
      stringOf(objectOf(error, what)['message'], `${what}.message`),
    )
    if (message !== undefined) return new Failure(code, message)
  } catch {
    // No error of a registry's: its number has to do.
  }
  return new Failure(code, `the registry answered with status ${answer.status}`)
}

/** A token that can't be read may be good for anything. */
function grantsDelete(token: string, repository: string): boolean {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0))
    const granted = listOf(parseJsonObject(bytes, 'token')['access'], 'access', (entry, what) => {
      const { type, name, actions } = objectOf(entry, what)
      return { type, name, actions: listOf(actions, `${what}.actions`, stringOf) }
    })
    return granted.some(
      ({ type, name, actions }) =>
        type === 'repository' && name === repository && (actions.includes('delete') || actions.includes('*')),
    )
  } catch {
    return true
  }
}
