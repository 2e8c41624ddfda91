// The configuration file: the original's keys, its environment, and no key ignored in silence.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCommandLine } from './command-line.ts'
import { parseListenAddress } from './parse-address.ts'
import { parseConfig } from './parse-config.ts'
import { parseDuration } from './section.ts'

/** What Debian's docker-registry is installed with. */
const DEBIAN = `version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/docker-registry
  delete:
    enabled: true
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
auth:
  htpasswd:
    realm: basic-realm
    path: /etc/docker/registry
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
`
const LEAST = 'version: 0.1\nstorage: {inmemory: {}}\nhttp: {addr: ":5000"}\n'

test('the file that Debian’s docker-registry comes with is understood', () => {
  const settings = parseConfig(DEBIAN)
  assert.deepEqual(settings.storage, { kind: 'filesystem', root: '/var/lib/docker-registry' })
  assert.equal(settings.deletes, true)
  assert.deepEqual(settings.http.address, { kind: 'tcp', host: undefined, port: 5000 })
  assert.deepEqual(settings.http.headers, { 'X-Content-Type-Options': ['nosniff'] })
  assert.deepEqual(settings.auth, { kind: 'htpasswd', realm: 'basic-realm', path: '/etc/docker/registry' })
  assert.deepEqual(settings.log.fields, { service: 'registry' })
  assert.deepEqual(settings.health, [
    { name: 'storagedriver', intervalMs: 10_000, threshold: 3, check: { kind: 'store' } },
  ])
})

test('defaults are the original’s', () => {
  const settings = parseConfig(LEAST)
  assert.equal(settings.deletes, false)
  assert.equal(settings.readOnly, false)
  assert.equal(settings.validation, true)
  assert.deepEqual(settings.uploadPurging, {
    enabled: true,
    ageMs: 168 * 3_600_000,
    intervalMs: 24 * 3_600_000,
    dryRun: false,
  })
  assert.deepEqual(settings.auth, { kind: 'none' })
  assert.equal(settings.http.tls, undefined)
})

test('the environment overrides the file', () => {
  const environment = {
    ...{ REGISTRY_HTTP_ADDR: '127.0.0.1:5001', REGISTRY_STORAGE_DELETE_ENABLED: 'true', OTHER: 'x' },
    REGISTRY_HTTP_HEADERS: '{a: [b]}',
    REGISTRY_LOG_LEVEL: 'debug',
  }
  const settings = parseConfig(LEAST, environment)
  assert.deepEqual(settings.http.address, { kind: 'tcp', host: '127.0.0.1', port: 5001 })
  assert.equal(settings.deletes, true)
  assert.deepEqual(settings.http.headers, { a: ['b'] })
  assert.equal(settings.log.level, 'debug')
})

for (const [what, text, message] of [
  ['a misspelt key', `${LEAST}htpp: {}\n`, /htpp is not a setting/],
  [
    'a misspelt key further down',
    LEAST.replace('addr', 'relativeurl: true, addr'),
    /http\.relativeurl is not a setting/,
  ],
  ['a service that is not there', `${LEAST}redis: {addr: x}\n`, /redis is not a setting/],
  ['another version', LEAST.replace('0.1', '0.2'), /version must be 0\.1/],
  ['no storage', 'version: 0.1\nhttp: {addr: ":1"}\n', /storage must name one driver/],
  ['two storages', LEAST.replace('inmemory: {}', 'inmemory: {}, filesystem: {}'), /storage must name one driver/],
  [
    'a wrong type',
    LEAST.replace('inmemory: {}', 'inmemory: {}, delete: {enabled: 1}'),
    /storage\.delete\.enabled must be true or false/,
  ],
  ['a wrong address', LEAST.replace(':5000', 'x'), /"x" is not an address/],
  [
    'a wrong duration',
    `${LEAST}health: {storagedriver: {interval: soon}}\n`,
    /health\.storagedriver\.interval must be a duration/,
  ],
  ['half of TLS', LEAST.replace('addr', 'tls: {key: x}, addr'), /http\.tls\.certificate must be given beside the key/],
  ['a token without keys’ owner', `${LEAST}auth: {token: {service: x}}\n`, /auth\.token\.realm must be given/],
  ['two ways of access', `${LEAST}auth: {token: {}, htpasswd: {}}\n`, /auth must name one way/],
  ['what is no YAML', '{', /configuration: /],
  ['what is no map', '- a', /configuration: not an object/],
] as const)
  test(`${what} is an error that says where`, () => {
    assert.throws(() => parseConfig(text), message)
  })

test('durations are Go’s', () => {
  for (const [text, ms] of [
    ['1h30m', 5_400_000],
    ['100ms', 100],
    ['1.5s', 1500],
    ['0', 0],
    ['2', undefined],
    ['1d', undefined],
    ['', undefined],
  ] as const)
    assert.equal(parseDuration(text), ms, text)
})

test('addresses are Go’s', () => {
  assert.deepEqual(parseListenAddress('tcp', '[::1]:80'), { kind: 'tcp', host: '::1', port: 80 })
  assert.deepEqual(parseListenAddress('unix', '/run/x.sock'), { kind: 'unix', path: '/run/x.sock' })
  for (const text of ['5000', 'a:b', ':99999', '[x]:1', '::1:80'])
    assert.throws(() => parseListenAddress('tcp', text), /is not an address/, text)
})

test('commands are the original’s', () => {
  assert.deepEqual(parseCommandLine(['serve', 'f']), { command: 'serve', config: 'f' })
  assert.deepEqual(parseCommandLine(['garbage-collect', '-m', '--dry-run', '--grace', '1h', 'f']), {
    ...{ command: 'garbage-collect', config: 'f', dryRun: true, deleteUntagged: true, graceMs: 3_600_000 },
  })
  assert.deepEqual(parseCommandLine(['--version']), { command: 'version' })
  assert.throws(() => parseCommandLine(['serve', 'f', 'g']), /one configuration file/)
  assert.throws(() => parseCommandLine(['bake']), /"bake" is not a command/)
  assert.throws(() => parseCommandLine(['serve', '--x']), /--x/)
  assert.throws(() => parseCommandLine(['garbage-collect', '--grace', 'x', 'f']), /--grace/)
})
