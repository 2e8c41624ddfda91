// The page's requests against the registry itself: passwords, tokens, rights, and answers of servers that are none.
import assert from 'node:assert/strict'
import { hashSync } from 'bcryptjs'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { manifestOf, openTestRegistry, pushBlob, pushImage, putManifest } from '../../../test/harness/our-registry.ts'
import { isFailure } from '../../base/failure.ts'
import { readImage } from './read-image.ts'
import { deleteManifest, listReferrers, listRepositories, listTags } from './read-lists.ts'
import { Session } from './session.ts'

const directory = mkdtempSync(join(tmpdir(), 'berth-session-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const htpasswd = join(directory, 'htpasswd')
writeFileSync(htpasswd, ['alice', 'bob'].map((user) => `${user}:${hashSync('sécret', 4)}\n`).join(''))
const key = join(directory, 'key.pem')
writeFileSync(
  key,
  generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
)

const CONFIG = Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
const IMAGE = manifestOf([CONFIG, Buffer.from('layer')])
const { signal } = new AbortController()

const code = (wanted: Parameters<typeof isFailure>[1]) => (error: unknown) => isFailure(error, wanted)

test('lists come a page at a time, in as many as the registry gives', async () => {
  await using registry = await openTestRegistry({ catalog: { maxentries: 2 } })
  for (const name of ['a', 'b', 'c']) await pushImage(registry.url, name, 'latest', IMAGE)
  for (let at = 10; at < 37; at++) await putManifest(registry.url, 'a', `v${at}`, IMAGE.bytes)
  const session = new Session(`${registry.url}/v2/`)
  assert.deepEqual(await listRepositories(session, '', signal), { names: ['a', 'b'], next: 'b' })
  assert.deepEqual(await listRepositories(session, 'b', signal), { names: ['c'], next: undefined })
  const first = await listTags(session, 'a', '', signal)
  assert.deepEqual([first.names.length, first.next], [25, 'v33'])
  assert.deepEqual((await listTags(session, 'a', 'v33', signal)).names, ['v34', 'v35', 'v36'])
  await assert.rejects(listTags(session, 'none', '', signal), code('not-found'))
})

test('an image is read with its configuration, and one whose configuration is not to be had without', async () => {
  await using registry = await openTestRegistry({ validation: { disabled: true } })
  await pushImage(registry.url, 'a', 'latest', IMAGE)
  const strange = manifestOf([Buffer.from('not json'), Buffer.from('layer')])
  await pushImage(registry.url, 'a', 'strange', strange)
  const lost = manifestOf([Buffer.from('never pushed')])
  await putManifest(registry.url, 'a', 'lost', lost.bytes)
  const session = new Session(`${registry.url}/v2/`)
  const image = await readImage(session, 'a', 'latest', signal)
  assert.deepEqual([image.digest, image.config?.architecture, image.problem], [IMAGE.digest, 'amd64', undefined])
  assert.match((await readImage(session, 'a', 'strange', signal)).problem ?? '', /image config: invalid character/)
  assert.equal((await readImage(session, 'a', 'lost', signal)).problem, 'blob unknown to registry')
})

test('signatures are found by the list of referrers and by the tags that cosign writes', async () => {
  await using registry = await openTestRegistry()
  await pushImage(registry.url, 'a', 'latest', IMAGE)
  const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: IMAGE.digest, size: 1 }
  const sbom = manifestOf([Buffer.from('{}')], { subject, artifactType: 'application/spdx+json' })
  for (const blob of sbom.blobs) await pushBlob(registry.url, 'a', blob)
  await putManifest(registry.url, 'a', sbom.digest, sbom.bytes)
  const signature = `${IMAGE.digest.replace(':', '-')}.sig`
  await pushImage(registry.url, 'a', signature, manifestOf([Buffer.from('[]')]))
  const found = await listReferrers(new Session(`${registry.url}/v2/`), 'a', IMAGE.digest, signal)
  assert.deepEqual(
    found.map(({ descriptor, tag }) => [descriptor.artifactType, tag]),
    [
      ['application/spdx+json', undefined],
      [undefined, signature],
    ],
  )
})

test('referrers of several pages are all found', async () => {
  await using registry = await openTestRegistry()
  await pushImage(registry.url, 'a', 'latest', IMAGE)
  const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: IMAGE.digest, size: 1 }
  const many = [1, 2, 3].map((at) =>
    manifestOf(IMAGE.blobs, { subject, annotations: { x: `${at}`.repeat(2_000_000) } }),
  )
  for (const each of many) await putManifest(registry.url, 'a', each.digest, each.bytes)
  const found = await listReferrers(new Session(`${registry.url}/v2/`), 'a', IMAGE.digest, signal)
  assert.deepEqual(
    found.map(({ descriptor }) => descriptor.digest),
    many.map(({ digest }) => digest).sort(),
  )
})

test('a password is asked for, is right or wrong, and is forgotten', async () => {
  await using registry = await openTestRegistry({ auth: { htpasswd: { realm: 'ours', path: htpasswd } } })
  const session = new Session(`${registry.url}/v2/`)
  assert.equal(session.isChallenged, false)
  await assert.rejects(listRepositories(session, '', signal), code('unauthenticated'))
  assert.equal(session.isChallenged, true)
  await assert.rejects(session.logIn('alice', 'wrong'), /incorrect username or password/)
  assert.equal(session.user, undefined)
  await session.logIn('alice', 'sécret')
  assert.equal(session.user, 'alice')
  assert.deepEqual((await listRepositories(session, '', signal)).names, [])
  assert.equal(await session.mayDelete('a'), true)
  session.logOut()
  await assert.rejects(listRepositories(session, '', signal), code('unauthenticated'))
})

test('tokens carry no further than the rules', async () => {
  const tokenservice = {
    ...{ issuer: 'ours', service: 'registry', key, htpasswd },
    access: [
      { users: ['alice'], repositories: ['**'], actions: ['*'], catalog: true },
      { users: ['bob', ''], repositories: ['team/*'], actions: ['pull'] },
    ],
  }
  await using registry = await openTestRegistry({ auth: { token: {} }, tokenservice })
  const sent: string[] = []
  const session = new Session(`${registry.url}/v2/`, (input, init) => {
    sent.push(String(input))
    return fetch(input, init)
  })
  await assert.rejects(listRepositories(session, '', signal), code('unauthenticated'))
  await assert.rejects(listTags(session, 'team/app', '', signal), code('not-found'))
  await assert.rejects(session.logIn('bob', 'wrong'), /incorrect username or password/)
  await session.logIn('bob', 'sécret')
  await assert.rejects(listRepositories(session, '', signal), code('permission-denied'))
  await assert.rejects(listTags(session, 'team/app', '', signal), code('not-found'))
  assert.equal(await session.mayDelete('team/app'), false)
  await assert.rejects(deleteManifest(session, 'team/app', 'latest'), code('permission-denied'))
  const before = sent.length
  await assert.rejects(listTags(session, 'team/app', '', signal), code('not-found'))
  assert.equal(sent.length, before + 1, 'a token that is at hand is used again')
  await session.logIn('alice', 'sécret')
  assert.deepEqual((await listRepositories(session, '', signal)).names, [])
  assert.equal(await session.mayDelete('team/app'), true)
  await assert.rejects(deleteManifest(session, 'team/app', 'latest'), code('not-found'))
  session.logOut()
  await assert.rejects(deleteManifest(session, 'team/app', 'latest'), code('unauthenticated'))
})

test('answers that are too long, no JSON or of another shape are failures with a reason', async () => {
  const answers = new Map<string, Response>()
  const session = new Session('http://registry/v2/', async (input) => {
    const answer = answers.get(new URL(String(input)).pathname)
    if (answer === undefined) throw new TypeError('Failed to fetch')
    return answer
  })
  await assert.rejects(listRepositories(session, '', signal), /registry does not answer/)
  for (const [body, reason] of [
    ['<html>', /repositories: invalid character/],
    ['[]', /repositories: not an object/],
    ['{"repositories":[1]}', /repositories\[0\]: not a string/],
  ] as const) {
    answers.set('/v2/_catalog', new Response(body))
    await assert.rejects(listRepositories(session, '', signal), reason)
  }
  answers.set('/v2/_catalog', new Response('{}', { headers: { 'content-length': '999999999' } }))
  await assert.rejects(listRepositories(session, '', signal), code('resource-exhausted'))
  answers.set('/v2/_catalog', new Response('<h1>no</h1>', { status: 502 }))
  await assert.rejects(listRepositories(session, '', signal), /answered with status 502/)
  // Only where to go on is taken out of an address.
  const link = '<https://example.org/v2/_catalog?last=b&n=2>; rel="next"'
  answers.set('/v2/_catalog', new Response('{"repositories":["a"]}', { headers: { link } }))
  assert.deepEqual(await listRepositories(session, '', signal), { names: ['a'], next: 'b' })
})
