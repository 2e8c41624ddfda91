import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseReference } from '../../oci/parse-reference.ts'
import { endpointsOf, isInsecure } from './endpoint.ts'
import { parseChallenges } from '../upstream/parse-challenge.ts'

test('loopback, named hosts and address ranges may be spoken to in clear', () => {
  const cases: [host: string, list: string[], expected: boolean][] = [
    ['127.0.0.1:5000', [], true],
    ['127.3.2.1', [], true],
    ['localhost:5000', [], true],
    ['[::1]:5000', [], true],
    ['10.1.2.3:5000', [], false],
    ['10.1.2.3:5000', ['10.0.0.0/8'], true],
    ['11.1.2.3:5000', ['10.0.0.0/8'], false],
    ['[fd00::5]:5000', ['fd00::/8'], true],
    ['reg.local:5000', ['reg.local:5000'], true],
    ['reg.local:5000', ['reg.local'], true],
    ['reg.local:5001', ['reg.local:5000'], false],
    ['localhost.evil.com', [], false],
    ['127.0.0.1.evil.com', [], false],
  ]
  for (const [host, list, expected] of cases) assert.equal(isInsecure(host, list), expected, `${host} ${list}`)
})

test('mirrors come before Docker Hub, and before nothing else', () => {
  const options = { insecureRegistries: [], mirrors: ['http://mirror:5000/', 'https://other'] }
  const hub = endpointsOf(parseReference('busybox'), options)
  assert.deepEqual(
    hub.map(({ host, schemes }) => [host, ...schemes]),
    [
      ['mirror:5000', 'http'],
      ['other', 'https'],
      ['registry-1.docker.io', 'https'],
    ],
  )
  assert.deepEqual(
    endpointsOf(parseReference('quay.io/x'), options).map(({ host }) => host),
    ['quay.io'],
  )
})

test('challenges are read with quotes, commas and folding', () => {
  const bearer =
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'
  assert.deepEqual(parseChallenges(`Basic realm="x, y", ${bearer}`), [
    {
      scheme: 'bearer',
      parameters: {
        realm: 'https://auth.docker.io/token',
        service: 'registry.docker.io',
        scope: 'repository:a/b:pull,push',
      },
    },
    { scheme: 'basic', parameters: { realm: 'x, y' } },
  ])
  assert.deepEqual(parseChallenges('Negotiate'), [])
  assert.deepEqual(parseChallenges(''), [])
})
