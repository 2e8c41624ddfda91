import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePlatform } from './platform.ts'

test('platforms come out in their normal form', () => {
  assert.deepEqual(parsePlatform('linux/amd64'), { os: 'linux', architecture: 'amd64' })
  assert.deepEqual(parsePlatform('LINUX/x86_64'), { os: 'linux', architecture: 'amd64' })
  assert.deepEqual(parsePlatform('linux/arm/6'), { os: 'linux', architecture: 'arm', variant: 'v6' })
  assert.equal(parsePlatform('windows(10.0.17763)/amd64')['os.version'], '10.0.17763')
})

const wrong: [string, RegExp][] = [
  ['bogus', /^"bogus": unknown operating system or architecture: invalid argument$/],
  ['a/b/c/d', /^"a\/b\/c\/d": cannot parse platform specifier: invalid argument$/],
  [
    'linux/',
    /^"" is an invalid component of "linux\/": platform specifier component must match "\^\[A-Za-z0-9_\.-\]\+\$"/,
  ],
  ['l!', /^"l!" is an invalid OS component of "l!": OSAndVersion specifier component must match/],
  ['linux/*', /wildcards not yet supported: invalid argument$/],
]
for (const [text, words] of wrong)
  test(`platform ${text} is refused`, () => assert.throws(() => parsePlatform(text), { message: words }))
