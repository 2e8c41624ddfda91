import assert from 'node:assert/strict'
import { test } from 'node:test'
import { choosePlatform, formatPlatform, hostPlatform, parsePlatform } from './parse-platform.ts'
import type { Platform } from './platform.ts'

const HOST: Platform = { os: 'linux', architecture: 'amd64' }

test('platforms have one spelling', () => {
  const cases: [text: string, normal: string][] = [
    ['linux/amd64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['Linux/AArch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/arm/5', 'linux/arm/v5'],
    ['linux/i386', 'linux/386'],
    ['linux', 'linux/amd64'],
    ['arm64', 'linux/arm64'],
    ['windows/amd64', 'windows/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
  ]
  for (const [text, normal] of cases) assert.equal(formatPlatform(parsePlatform(text, HOST)), normal, text)
  assert.equal(formatPlatform(hostPlatform('x64')), 'linux/amd64')
  assert.equal(formatPlatform(hostPlatform('arm64')), 'linux/arm64')
  for (const text of ['', 'nonsense', 'a/b/c/d', 'linux/', 'linux/am d64'])
    assert.throws(() => parsePlatform(text, HOST), { code: 'invalid-argument' })
})

test('the best of an index is chosen, elder variants after newer ones', () => {
  const entries = [
    'linux/arm/v5',
    'linux/386',
    'linux/arm64',
    'linux/arm/v7',
    'linux/amd64',
    'linux/arm/v6',
    'linux/amd64/v3',
  ].map((text) => ({ platform: parsePlatform(text, HOST) }))
  const chosen = (text: string) => {
    const entry = choosePlatform(parsePlatform(text, HOST), entries)
    return entry && formatPlatform(entry.platform)
  }
  assert.equal(chosen('linux/amd64'), 'linux/amd64')
  assert.equal(chosen('linux/amd64/v4'), 'linux/amd64/v3')
  assert.equal(chosen('linux/amd64/v2'), 'linux/amd64')
  assert.equal(chosen('linux/arm64'), 'linux/arm64')
  assert.equal(chosen('linux/arm/v6'), 'linux/arm/v6')
  assert.equal(chosen('linux/arm/v7'), 'linux/arm/v7')
  assert.equal(chosen('linux/s390x'), undefined)
  assert.equal(chosen('windows/amd64'), undefined)
  assert.equal(
    choosePlatform(HOST, [{}, { platform: HOST }])?.platform,
    HOST,
    'one that says nothing is the last resort',
  )
})
