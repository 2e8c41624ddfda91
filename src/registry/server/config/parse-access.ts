// `auth` with the original's keys, and `tokenservice`, which the original leaves to another program.
import { Failure } from '../../../base/failure.ts'
import type { Action } from '../auth/access.ts'
import type { AccessRule } from '../auth/access-rules.ts'
import type { TokenServiceSettings } from '../auth/issue-token.ts'
import type { Section } from './section.ts'
import type { AuthSettings, Settings } from './settings.ts'

const ALGORITHMS = ['EdDSA', 'RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512']
const EXPIRATION_MS = 5 * 60_000

export function parseAccess(auth: Section, service: Section | undefined): Pick<Settings, 'auth' | 'tokenService'> {
  const tokenService = service === undefined ? undefined : parseTokenService(service)
  const parsed = parseAuth(auth, tokenService)
  if (tokenService !== undefined && parsed.kind !== 'token')
    throw new Failure('invalid-argument', 'configuration: tokenservice is of no use without auth.token')
  return { auth: parsed, tokenService }
}

function parseAuth(auth: Section, own: TokenServiceSettings | undefined): AuthSettings {
  const [kind, another] = auth.names()
  if (another !== undefined) throw new Failure('invalid-argument', 'configuration: auth must name one way')
  switch (kind) {
    case 'htpasswd': {
      const htpasswd = auth.section('htpasswd')
      return { kind, realm: htpasswd.requiredText('realm'), path: htpasswd.requiredText('path') }
    }
    case 'token':
      return parseToken(auth.section('token'), own)
    default:
      return { kind: 'none' } // any other name is found to mean nothing
  }
}

/** With a token service of our own everything is known already. */
function parseToken(token: Section, own: TokenServiceSettings | undefined): AuthSettings {
  const redirects = token.flag('autoredirect') ?? false
  const realm = token.text('realm')
  if (realm === undefined && !redirects && own === undefined) throw token.wrong('realm', 'given')
  const algorithms = token.texts('signingalgorithms')
  const unknown = algorithms.find((name) => !ALGORITHMS.includes(name))
  if (unknown !== undefined) throw token.wrong('signingalgorithms', `out of ${ALGORITHMS.join(', ')}`)
  return {
    kind: 'token',
    realm: redirects ? undefined : realm,
    service: own?.service ?? token.requiredText('service'),
    issuer: own?.issuer ?? token.requiredText('issuer'),
    rootCertBundle: token.text('rootcertbundle'),
    jwks: token.text('jwks'),
    algorithms: algorithms.length === 0 ? ALGORITHMS : algorithms,
  }
}

function parseTokenService(service: Section): TokenServiceSettings {
  return {
    issuer: service.requiredText('issuer'),
    service: service.requiredText('service'),
    key: service.requiredText('key'),
    htpasswd: service.requiredText('htpasswd'),
    expirationMs: service.duration('expiration') ?? EXPIRATION_MS,
    rules: service.sections('access').map(parseRule),
  }
}

function parseRule(rule: Section): AccessRule {
  const actions = rule.texts('actions').map((text): Action => {
    if (text !== 'pull' && text !== 'push' && text !== 'delete' && text !== '*')
      throw rule.wrong('actions', 'out of pull, push, delete, *')
    return text
  })
  return {
    ...{ users: rule.texts('users'), repositories: rule.texts('repositories'), actions },
    catalog: rule.flag('catalog') ?? false,
  }
}
