// Bearer tokens (distribution, docs/content/spec/auth/jwt.md): a challenge for who has none, and what those that come allow.
import { jwtVerify } from 'jose'
import { isFailure } from '../../../base/failure.ts'
import { listOf, objectOf, stringOf } from '../../../oci/json-shape.ts'
import { ApiError } from '../api-error.ts'
import { type Exchange, originOf } from '../http/exchange.ts'
import { type Access, accessOf, type Authorize } from './access.ts'
import { parseBearer } from './parse-basic.ts'
import { findTokenKey, type TokenKeys } from './token-keys.ts'

export interface TokenSettings {
  /** Undefined: our own token service, at the address that the client knows us by. */
  realm: string | undefined
  service: string
  issuer: string
  algorithms: readonly string[]
}

/** Clocks of two machines. */
const LEEWAY_S = 60
/** Where our own token service answers, below the prefix. */
export const TOKEN_PATH = 'auth/token'

export function tokenAccess(settings: TokenSettings, keys: TokenKeys): Authorize {
  return async (exchange, method) => {
    const wanted = accessOf(exchange, method)
    const token = parseBearer(exchange.request.headers.authorization)
    if (token === undefined) throw challenge(exchange, settings, wanted)
    const granted = await readToken(token, settings, keys)
    if (granted === undefined) throw challenge(exchange, settings, wanted, 'invalid_token')
    exchange.user = granted.subject
    if (!wanted.every((access) => covers(granted.access, access)))
      throw challenge(exchange, settings, wanted, 'insufficient_scope')
  }
}

export interface Granted {
  subject: string
  access: readonly { type: Access['type']; name: string; actions: readonly string[] }[]
}

/** Undefined for a token that is not valid, whatever the reason: the asker learns no more. */
async function readToken(token: string, settings: TokenSettings, keys: TokenKeys): Promise<Granted | undefined> {
  try {
    const { payload } = await jwtVerify(token, (header) => findTokenKey(keys, header, new Date()), {
      issuer: settings.issuer,
      audience: settings.service,
      algorithms: [...settings.algorithms],
      clockTolerance: LEEWAY_S,
      requiredClaims: ['exp'],
    })
    return { subject: payload.sub ?? '', access: parseAccess(payload['access']) }
  } catch (error) {
    if (isFailure(error) || (error instanceof Error && 'code' in error)) return undefined
    throw error
  }
}

function parseAccess(value: unknown): Granted['access'] {
  return listOf(value, 'access', (entry, what) => {
    const { type, name, actions } = objectOf(entry, what)
    const kind = stringOf(type, `${what}.type`).replace(/\(.*\)$/, '')
    return {
      type: kind === 'registry' ? ('registry' as const) : ('repository' as const),
      name: stringOf(name, `${what}.name`),
      actions: listOf(actions, `${what}.actions`, stringOf, 100),
    }
  })
}

function covers(granted: Granted['access'], { type, name, action }: Access): boolean {
  return granted.some(
    (each) => each.type === type && each.name === name && (each.actions.includes(action) || each.actions.includes('*')),
  )
}

function challenge(exchange: Exchange, settings: TokenSettings, wanted: readonly Access[], error?: string): ApiError {
  const { prefix } = exchange.registry.settings.http
  const realm = settings.realm ?? `${originOf(exchange)}${prefix}${TOKEN_PATH}`
  const parameters = { realm, service: settings.service, scope: formatScopes(wanted), error }
  const words = Object.entries(parameters).flatMap(([key, value]) =>
    value === undefined || value === '' ? [] : [`${key}=${JSON.stringify(value)}`],
  )
  const detail = wanted.map(({ type, name, action }) => ({ Type: type, Class: '', Name: name, Action: action }))
  return new ApiError('UNAUTHORIZED', { headers: { 'www-authenticate': `Bearer ${words.join(',')}` }, detail })
}

/** `repository:a/b:pull,push repository:c:pull`. */
export function formatScopes(wanted: readonly Access[]): string {
  const actions = new Map<string, string[]>()
  for (const { type, name, action } of wanted) {
    const key = `${type}:${name}`
    actions.set(key, [...(actions.get(key) ?? []), action])
  }
  return [...actions].map(([key, list]) => `${key}:${list.join(',')}`).join(' ')
}
