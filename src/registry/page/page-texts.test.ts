// Addresses of the page, commands to copy, and how sizes, times and histories are told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../oci/digest.ts'
import { parseImageConfig } from '../../oci/parse-image-config.ts'
import { boundText, formatBytes, formatMoment, shortDigest } from './format.ts'
import { formatPlace, isRepositoryName, parsePlace, type Place, pullCommand } from './places.ts'
import { historyOf } from './read-image.ts'

const DIGEST = digestOf('x')

test('an address is read as what it was written from', () => {
  const places: Place[] = [
    { kind: 'repositories', last: '' },
    { kind: 'repositories', last: 'a/b' },
    { kind: 'tags', name: 'a/b-c/d__e', last: 'v1.0' },
    { kind: 'manifest', name: 'a', reference: 'latest' },
    { kind: 'manifest', name: 'a', reference: DIGEST },
  ]
  for (const place of places) assert.deepEqual(parsePlace(formatPlace(place)), place)
  assert.deepEqual(parsePlace(''), { kind: 'repositories', last: '' })
})

test('an address that names what no registry has leads nowhere', () => {
  for (const hash of [
    ...['#nothing', '#tags', '#tags?name=A', '#tags?name=..', '#tags?name=a/../b', '#tags?name=a:1', '#tags?name=%2Fa'],
    ...['#tags?name=a%20b', '#manifest?name=a', '#manifest?name=a&reference=-', '#manifest?name=a&reference=..%2Fb'],
    ...['#manifest?name=a&reference=sha256:12', `#manifest?name=a@${DIGEST}&reference=b`, '#javascript:alert(1)'],
    `#tags?name=${'a'.repeat(256)}`,
  ])
    assert.equal(parsePlace(hash), undefined, hash)
})

test('a command is made of names only', () => {
  assert.equal(pullCommand('r:5000', 'a/b', 'v1'), 'docker pull r:5000/a/b:v1')
  assert.equal(pullCommand('r', 'a', DIGEST), `docker pull r/a@${DIGEST}`)
  for (const [name, reference] of [['a;reboot', 'v1'] as const, ['a', '$(reboot)'] as const, ['a', 'b c'] as const])
    assert.throws(() => pullCommand('r', name, reference), /not an image/)
  assert.equal(isRepositoryName('a'.repeat(255)), true)
})

test('sizes, times and digests are told shortly, and what is no time as it is', () => {
  assert.deepEqual([0, 999, 1000, 4_274_000, 12e9].map(formatBytes), ['0 B', '999 B', '1 kB', '4.27 MB', '12 GB'])
  assert.equal(formatMoment('2024-02-03T04:05:06.789+02:00')?.shown, '2024-02-03 02:05 UTC')
  for (const text of ['', 'yesterday', '2024', '2024-99-99T00:00:00Z', '<b>'])
    assert.equal(formatMoment(text), undefined)
  assert.equal(shortDigest(DIGEST), `${DIGEST.slice(0, 19)}…`)
  assert.equal(shortDigest('other'), 'other')
  assert.equal(boundText('x'.repeat(4000)).length, 4000)
  assert.match(boundText('x'.repeat(5000)), /^x{4000}… \(1000 more characters\)$/)
})

test('a step of the history has the next layer unless it is marked as empty, however many layers there are', () => {
  const history = [{ created_by: 'a' }, { created_by: 'b', comment: 'c', empty_layer: true }, {}, { created_by: 'd' }]
  const config = parseImageConfig(Buffer.from(JSON.stringify({ rootfs: { type: 'layers' }, history })))
  const layers = ['1', '2'].map((text) => ({ mediaType: 'x', digest: digestOf(text), size: Number(text) }))
  assert.deepEqual(
    historyOf(config, layers).map(({ command, layer }) => [command, layer?.size]),
    [
      ['a', 1],
      ['b # c', undefined],
      ['', 2],
      ['d', undefined],
    ],
  )
})
