import assert from 'node:assert/strict'
import { test } from 'node:test'
import { negotiateVersion } from '../http/api-version.ts'
import { readPlatformObject } from './decode-platform.ts'

const read = (version: string, ...platforms: string[]) =>
  readPlatformObject(
    {
      query: new URLSearchParams(platforms.map((platform) => ['platform', platform] as [string, string])),
      version: negotiateVersion(version),
    },
    '1.48',
  )

test('a platform is an object of the image specification, in its normal form', () => {
  assert.deepEqual(read('1.48', '{"os":"linux","architecture":"aarch64","variant":"v8"}'), {
    os: 'linux',
    architecture: 'arm64',
  })
  assert.equal(read('1.48'), undefined)
  assert.equal(read('1.48', ''), undefined)
  assert.equal(read('1.47', 'what older clients send is passed over'), undefined)
})

test('what is no platform is refused in Docker’s words', () => {
  const cases: [platforms: string[], message: RegExp][] = [
    [['{'], /^failed to parse platform: /],
    [['linux/amd64'], /^failed to parse platform: /],
    [['[]'], /^failed to parse platform: /],
    [['{"os":1}'], /^failed to parse platform: /],
    [['{}'], /^both OS and Architecture must be provided$/],
    [['{"os":"linux"}'], /^both OS and Architecture must be provided$/],
    [['{"variant":"v7"}'], /^optional platform fields provided, but OS and Architecture are missing$/],
    [['{}', '{}'], /^multiple platform parameters not supported$/],
  ]
  for (const [platforms, message] of cases)
    assert.throws(() => read('1.50', ...platforms), { code: 'invalid-argument', message }, platforms.join())
})
