// The token service: GET with Basic credentials (distribution, docs/content/spec/auth/token.md), or POST as OAuth2 (oauth.md).
import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { jwtVerify, SignJWT } from 'jose'
import { ApiError } from '../api-error.ts'
import { parseRepositoryName } from '../names.ts'
import type { Access, Action } from './access.ts'
import { type AccessRule, grant } from './access-rules.ts'
import { PasswordFile } from './htpasswd.ts'
import { parseBasic } from './parse-basic.ts'
import { keyId } from './token-keys.ts'

export interface TokenServiceSettings {
  issuer: string
  service: string
  /** A private key, PEM. */
  key: string
  htpasswd: string
  expirationMs: number
  rules: readonly AccessRule[]
}

const FORM_BYTES_MAX = 32 * 1024
const SCOPES_MAX = 100
const REFRESH_MS = 90 * 24 * 3_600_000
const ACTIONS: ReadonlySet<string> = new Set(['pull', 'push', 'delete', '*'])

export interface TokenService {
  key: KeyObject
  answer(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void>
}

/** Throws for files that can't be used. */
export async function openTokenService(settings: TokenServiceSettings): Promise<TokenService> {
  const key = createPrivateKey(readFileSync(settings.key))
  const issuer = new Issuer(settings, key, await keyId(key))
  return { key, answer: (request, response, url) => issuer.answer(request, response, url) }
}

class Issuer {
  readonly #settings: TokenServiceSettings
  readonly #key: KeyObject
  readonly #kid: string
  readonly #passwords: PasswordFile

  constructor(settings: TokenServiceSettings, key: KeyObject, kid: string) {
    this.#settings = settings
    this.#key = key
    this.#kid = kid
    this.#passwords = new PasswordFile(settings.htpasswd)
  }

  async answer(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    if (request.method === 'GET') return this.#answerGet(request, response, url.searchParams)
    if (request.method === 'POST') return this.#answerPost(response, await readForm(request))
    throw new ApiError('UNSUPPORTED', { headers: { allow: 'GET, POST' } })
  }

  /** Without credentials it is for what everybody may. */
  async #answerGet(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): Promise<void> {
    const { authorization } = request.headers
    const given = parseBasic(authorization)
    const isRight = given === undefined || (await this.#passwords.verify(given.user, given.password))
    if (!isRight || (given === undefined && authorization !== undefined)) throw unauthorized()
    const refresh = query.get('offline_token') === 'true' ? await this.#refreshToken(given?.user) : undefined
    await this.#send(response, query, query.getAll('scope'), given?.user, refresh)
  }

  async #answerPost(response: ServerResponse, form: URLSearchParams): Promise<void> {
    const user = await this.#userOf(form)
    if (user === undefined) throw unauthorized()
    const given = form.get('refresh_token') ?? undefined
    const refresh = form.get('access_type') === 'offline' ? await this.#refreshToken(user) : given
    await this.#send(response, form, [form.get('scope') ?? ''], user, refresh)
  }

  async #userOf(form: URLSearchParams): Promise<string | undefined> {
    switch (form.get('grant_type')) {
      case 'password': {
        const user = form.get('username') ?? ''
        return (await this.#passwords.verify(user, form.get('password') ?? '')) ? user : undefined
      }
      case 'refresh_token':
        return this.#readRefreshToken(form.get('refresh_token') ?? '')
      default:
        throw new ApiError('UNSUPPORTED', { message: 'unsupported grant_type', status: 400 })
    }
  }

  async #send(
    response: ServerResponse,
    query: URLSearchParams,
    scopes: readonly string[],
    user: string | undefined,
    refresh: string | undefined,
  ): Promise<void> {
    const { issuer, service, expirationMs, rules } = this.#settings
    if (query.get('service') !== service) throw new ApiError('DENIED', { message: 'unknown service', status: 400 })
    const now = Math.floor(Date.now() / 1000)
    const seconds = Math.floor(expirationMs / 1000)
    const token = await new SignJWT({ access: claimOf(grant(rules, user, parseScopes(scopes))) })
      .setProtectedHeader({ alg: algorithmOf(this.#key), typ: 'JWT', kid: this.#kid })
      .setIssuer(issuer)
      .setSubject(user ?? '')
      .setAudience(service)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + seconds)
      .setJti(randomUUID())
      .sign(this.#key)
    const body = {
      ...{ token, access_token: token, expires_in: seconds, issued_at: new Date(now * 1000).toISOString() },
      ...(refresh === undefined ? {} : { refresh_token: refresh }),
    }
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(JSON.stringify(body))
  }

  /** Good for tokens only, and only as long as the user's password is the same. */
  async #refreshToken(user: string | undefined): Promise<string | undefined> {
    if (user === undefined) return undefined
    return new SignJWT({ password: this.#passwordMark(user) })
      .setProtectedHeader({ alg: algorithmOf(this.#key), typ: 'refresh', kid: this.#kid })
      .setIssuer(this.#settings.issuer)
      .setSubject(user)
      .setAudience(`${this.#settings.issuer} refresh`)
      .setExpirationTime(Math.floor((Date.now() + REFRESH_MS) / 1000))
      .sign(this.#key)
  }

  async #readRefreshToken(token: string): Promise<string | undefined> {
    try {
      const { payload } = await jwtVerify(token, createPublicKey(this.#key), {
        issuer: this.#settings.issuer,
        audience: `${this.#settings.issuer} refresh`,
        typ: 'refresh',
      })
      const user = payload.sub ?? ''
      const mark = this.#passwordMark(user)
      return mark !== undefined && payload['password'] === mark ? user : undefined
    } catch {
      return undefined // not one of ours, or not any more
    }
  }

  #passwordMark(user: string): string | undefined {
    const hash = this.#passwords.hashOf(user)
    return hash === undefined ? undefined : createHash('sha256').update(hash).digest('base64url')
  }
}

function unauthorized(): ApiError {
  return new ApiError('UNAUTHORIZED', { message: 'incorrect username or password' })
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request) {
    size += (part as Buffer).length
    if (size > FORM_BYTES_MAX) throw new ApiError('SIZE_INVALID', { message: 'form too large', status: 413 })
    parts.push(part as Buffer)
  }
  return new URLSearchParams(Buffer.concat(parts).toString('utf8'))
}

/** `repository:a/b:pull,push`, several by space or by parameter. What is not understood grants nothing. */
export function parseScopes(texts: readonly string[]): Access[] {
  const scopes = texts.flatMap((text) => text.split(' ')).filter((text) => text !== '')
  if (scopes.length > SCOPES_MAX) throw new ApiError('DENIED', { message: 'too many scopes', status: 400 })
  return scopes.flatMap((scope) => {
    const [, type, name = '', list = ''] = /^(repository|registry)(?:\([\w-]*\))?:(.+):([\w,*]*)$/.exec(scope) ?? []
    const isKnown = type === 'registry' ? name === 'catalog' : parseRepositoryName(name) !== undefined
    if (type === undefined || !isKnown) return []
    const actions = list.split(',').filter((action): action is Action => ACTIONS.has(action))
    return actions.map((action) => ({ type: type as Access['type'], name, action }))
  })
}

function claimOf(granted: readonly Access[]): { type: string; name: string; actions: string[] }[] {
  const claims = new Map<string, { type: string; name: string; actions: string[] }>()
  for (const { type, name, action } of granted) {
    const claim = claims.get(`${type}:${name}`) ?? { type, name, actions: [] }
    claim.actions.push(action)
    claims.set(`${type}:${name}`, claim)
  }
  return [...claims.values()]
}

export function algorithmOf(key: KeyObject): string {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return 'RS256'
    case 'ed25519':
      return 'EdDSA'
    default:
      return (
        { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }[key.asymmetricKeyDetails?.namedCurve ?? ''] ??
        'ES256'
      )
  }
}
