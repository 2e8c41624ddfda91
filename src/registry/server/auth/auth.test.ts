// Passwords, tokens and client certificates, as clients meet them.
import assert from 'node:assert/strict'
import { hashSync } from 'bcryptjs'
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { SignJWT } from 'jose'
import { openTestRegistry } from '../../../../test/harness/our-registry.ts'
import { grant, matchesPattern } from './access-rules.ts'
import { parsePasswords } from './htpasswd.ts'
import { parseScopes } from './issue-token.ts'

const directory = mkdtempSync(join(tmpdir(), 'berth-auth-'))
after(() => rmSync(directory, { recursive: true, force: true }))

/** The cheapest hash that bcrypt has: what is tested is not its strength. */
function writePasswords(users: Record<string, string>): string {
  const path = join(directory, 'htpasswd')
  const lines = Object.entries(users).map(([user, password]) => `${user}:${hashSync(password, 4)}`)
  writeFileSync(path, `# users\n${lines.join('\n')}\n`)
  return path
}

function basic(user: string, password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}

function writeKey(name: string, key: KeyObject): string {
  const path = join(directory, name)
  writeFileSync(path, key.export({ type: 'pkcs8', format: 'pem' }))
  return path
}

test('with htpasswd nobody gets in without the right password, and a changed file counts at once', async () => {
  const path = writePasswords({ alice: 'secret' })
  await using registry = await openTestRegistry({ auth: { htpasswd: { realm: 'a "realm"', path } } })
  const status = async (headers: Record<string, string>) => (await fetch(`${registry.url}/v2/`, { headers })).status
  const refused = await fetch(`${registry.url}/v2/a/tags/list`)
  assert.equal(refused.status, 401)
  assert.equal(refused.headers.get('www-authenticate'), 'Basic realm="a \\"realm\\""')
  assert.match(await refused.text(), /"UNAUTHORIZED"/)
  for (const headers of [basic('alice', 'wrong'), basic('bob', 'secret'), basic('', ''), { authorization: 'Basic x' }])
    assert.equal(await status(headers), 401)
  assert.equal(await status(basic('alice', 'secret')), 200)
  assert.equal(await status(basic('alice', 'secret')), 200)
  writePasswords({ alice: 'changed', bob: 'x' })
  assert.equal(await status(basic('alice', 'secret')), 401)
  assert.equal(await status(basic('alice', 'changed')), 200)
})

test('a file of passwords holds bcrypt hashes and nothing weaker', () => {
  const hash = hashSync('x', 4)
  assert.equal(parsePasswords(`a:${hash.replace('$2b', '$2y')}\n\n# x\n`, 'f').get('a'), hash)
  for (const line of ['a:plain', 'a:$apr1$x$y', 'a:{SHA}x', hash])
    assert.throws(() => parsePasswords(line, 'f'), /f, line 1: not a user and a bcrypt hash/)
})

async function openWithTokens() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const tokenservice = {
    ...{ issuer: 'ours', service: 'registry', key: writeKey('own.pem', privateKey) },
    htpasswd: writePasswords({ alice: 'a', bob: 'b', admin: 'c' }),
    access: [
      { users: [''], repositories: ['public/**'], actions: ['pull'] },
      { users: ['*'], repositories: ['{user}/**', 'public/**'], actions: ['pull'] },
      { users: ['alice'], repositories: ['{user}/*'], actions: ['*'] },
      { users: ['admin'], repositories: ['**'], actions: ['*'], catalog: true },
    ],
  }
  return { registry: await openTestRegistry({ auth: { token: {} }, tokenservice }), privateKey }
}

/** What a client does with a refusal: asks the realm for the scope, and comes again. */
async function withToken(url: string, headers: Record<string, string>, init: RequestInit = {}): Promise<Response> {
  const refused = await fetch(url, init)
  if (refused.status !== 401) return refused
  const challenge = refused.headers.get('www-authenticate') ?? ''
  const part = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1] ?? ''
  const query = new URLSearchParams({ service: part('service') })
  for (const scope of part('scope').split(' ')) query.append('scope', scope)
  const answer = await fetch(`${part('realm')}?${query}`, { headers })
  if (answer.status !== 200) return answer
  const { token } = (await answer.json()) as { token: string }
  return fetch(url, { ...init, headers: { authorization: `Bearer ${token}` } })
}

test('our token service grants what its rules say, and the registry believes it', async () => {
  const { registry } = await openWithTokens()
  await using opened = registry
  const { url } = opened
  const push = (name: string, headers = {}) =>
    withToken(`${url}/v2/${name}/blobs/uploads/`, headers, { method: 'POST' }).then(({ status }) => status)
  const pull = (name: string, headers = {}) =>
    withToken(`${url}/v2/${name}/tags/list`, headers).then(({ status }) => status)
  assert.equal(await push('alice/app', basic('alice', 'a')), 202)
  assert.equal(await push('alice/app', basic('alice', 'wrong')), 401)
  assert.equal(await push('alice/app', basic('bob', 'b')), 401)
  assert.equal(await push('alice/app'), 401)
  assert.equal(await push('public/x', basic('alice', 'a')), 401)
  assert.equal(await pull('public/x'), 404)
  assert.equal(await pull('bob/x', basic('bob', 'b')), 404)
  assert.equal(await pull('bob/x', basic('alice', 'a')), 401)
  const catalog = (headers: Record<string, string>) => withToken(`${url}/v2/_catalog`, headers)
  assert.equal((await catalog(basic('admin', 'c'))).status, 200)
  assert.equal((await catalog(basic('alice', 'a'))).status, 401)
  const challenge = (await fetch(`${url}/v2/a/b/blobs/uploads/?mount=x&from=c`, { method: 'POST' })).headers
  assert.match(challenge.get('www-authenticate') ?? '', /scope="repository:a\/b:pull,push repository:c:pull"/)
  assert.match(
    challenge.get('www-authenticate') ?? '',
    new RegExp(`^Bearer realm="${url}/auth/token",service="registry"`),
  )
})

test('a refresh token stands for the password until that changes', async () => {
  const { registry } = await openWithTokens()
  await using opened = registry
  const realm = `${opened.url}/auth/token`
  const post = (form: Record<string, string>) =>
    fetch(realm, { method: 'POST', body: new URLSearchParams({ service: 'registry', client_id: 'x', ...form }) })
  const scope = 'repository:alice/app:pull,push'
  const first = await post({ grant_type: 'password', username: 'alice', password: 'a', access_type: 'offline', scope })
  const { refresh_token, expires_in } = (await first.json()) as { refresh_token: string; expires_in: number }
  assert.equal(expires_in, 300)
  const second = await post({ grant_type: 'refresh_token', refresh_token, scope })
  const { access_token } = (await second.json()) as { access_token: string }
  const headers = { authorization: `Bearer ${access_token}` }
  assert.equal((await fetch(`${opened.url}/v2/alice/app/tags/list`, { headers })).status, 404)
  const asAccess = { authorization: `Bearer ${refresh_token}` }
  assert.equal((await fetch(`${opened.url}/v2/alice/app/tags/list`, { headers: asAccess })).status, 401)
  assert.equal((await post({ grant_type: 'refresh_token', refresh_token: access_token })).status, 401)
  assert.equal((await post({ grant_type: 'password', username: 'alice', password: 'b' })).status, 401)
  assert.equal((await post({ grant_type: 'client_credentials' })).status, 400)
  writePasswords({ alice: 'new' })
  assert.equal((await post({ grant_type: 'refresh_token', refresh_token })).status, 401)
})

test('tokens that are expired, early, for others, by others or for less are refused', async () => {
  const trusted = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwks = join(directory, 'keys.json')
  writeFileSync(jwks, JSON.stringify({ keys: [{ ...trusted.publicKey.export({ format: 'jwk' }), kid: 'one' }] }))
  const realm = 'https://tokens.example/auth'
  const settings = { token: { realm, service: 'registry', issuer: 'issuer', jwks } }
  await using registry = await openTestRegistry({ auth: settings })
  const ask = async (
    claims: Record<string, unknown>,
    { key = trusted.privateKey, kid = 'one' as string | undefined, alg = 'RS256' } = {},
  ) => {
    const now = Math.floor(Date.now() / 1000)
    const access = [{ type: 'repository', name: 'a', actions: ['pull'] }]
    const payload = { iss: 'issuer', aud: 'registry', sub: 'me', exp: now + 60, nbf: now, access, ...claims }
    const token = await new SignJWT(payload).setProtectedHeader({ alg, ...(kid && { kid }) }).sign(key)
    const headers = { authorization: `Bearer ${token}` }
    const response = await fetch(`${registry.url}/v2/a/tags/list`, { headers })
    return [response.status, /error="(\w+)"/.exec(response.headers.get('www-authenticate') ?? '')?.[1]]
  }
  const now = Math.floor(Date.now() / 1000)
  assert.deepEqual(await ask({}), [404, undefined])
  assert.deepEqual(await ask({}, { kid: undefined }), [404, undefined])
  assert.deepEqual(await ask({ aud: ['x', 'registry'] }), [404, undefined])
  for (const claims of [
    { exp: now - 120 },
    { nbf: now + 120 },
    { iss: 'x' },
    { aud: 'x' },
    { exp: undefined },
    { access: 'x' },
  ])
    assert.deepEqual(await ask(claims), [401, 'invalid_token'], JSON.stringify(claims))
  assert.deepEqual(await ask({}, { key: other.privateKey }), [401, 'invalid_token'])
  assert.deepEqual(await ask({}, { kid: 'two' }), [401, 'invalid_token'])
  for (const access of [
    [],
    [{ type: 'repository', name: 'b', actions: ['pull'] }],
    [{ type: 'repository', name: 'a', actions: ['push'] }],
  ])
    assert.deepEqual(await ask({ access }), [401, 'insufficient_scope'])
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"iss":"issuer"}').toString('base64url')}.`
  for (const token of [none, 'x.y.z', 'x']) {
    const headers = { authorization: `Bearer ${token}` }
    assert.equal((await fetch(`${registry.url}/v2/`, { headers })).status, 401)
  }
  const secret = createHash('sha256').update('guess').digest()
  const forged = await new SignJWT({})
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('issuer')
    .setAudience('registry')
    .setExpirationTime('1m')
    .sign(secret)
  assert.equal((await fetch(`${registry.url}/v2/`, { headers: { authorization: `Bearer ${forged}` } })).status, 401)
})

test('patterns and scopes mean what they say and no more', () => {
  for (const [pattern, name, user, expected] of [
    ['**', 'a/b/c', '', true],
    ['*', 'a', '', true],
    ['*', 'a/b', '', false],
    ['a/*', 'a/b', '', true],
    ['a.b', 'axb', '', false],
    ['{user}/**', 'me/x/y', 'me', true],
    ['{user}/**', 'you/x', '*', false],
    ['{user}/**', 'you/x', '.*', false],
  ] as const)
    assert.equal(matchesPattern(pattern, name, user), expected, `${pattern} ${name} ${user}`)
  assert.deepEqual(
    parseScopes(['repository:a/b:pull,push,bake', 'nonsense registry:catalog:* repository(plugin):p:pull']),
    [
      { type: 'repository', name: 'a/b', action: 'pull' },
      { type: 'repository', name: 'a/b', action: 'push' },
      { type: 'registry', name: 'catalog', action: '*' },
      { type: 'repository', name: 'p', action: 'pull' },
    ],
  )
  assert.deepEqual(parseScopes(['repository:../x:pull', 'repository:UP:pull', 'registry:other:*', '']), [])
  const rules = [{ users: ['*'], repositories: ['a'], actions: ['pull' as const], catalog: false }]
  const wanted = [{ type: 'repository' as const, name: 'a', action: 'pull' as const }]
  assert.deepEqual(grant(rules, 'anybody', wanted), wanted)
  assert.deepEqual(grant(rules, undefined, wanted), [])
})
