import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matchGlob } from './glob.ts'

test('patterns match as in Go', () => {
  const table: [pattern: string, text: string, matches: boolean][] = [
    ['busybox', 'busybox', true],
    ['busy*', 'busybox', true],
    ['busy*', 'busybox/x', false],
    ['*/*', 'a/b', true],
    ['b?sybox', 'busybox', true],
    ['[a-c]usybox', 'busybox', true],
    ['[^a-c]usybox', 'busybox', false],
    ['\\*', '*', true],
    ['*:latest', 'busybox:latest', true],
    ['', '', true],
    ['*', '', true],
  ]
  for (const [pattern, text, matches] of table) assert.equal(matchGlob(pattern, text), matches, `${pattern} ${text}`)
  assert.throws(() => matchGlob('[a', 'a'), { code: 'invalid-argument' })
  assert.throws(() => matchGlob('a\\', 'a'), { code: 'invalid-argument' })
})

test('a pattern of many stars takes no time', () => {
  assert.equal(matchGlob(`${'a*'.repeat(40)}b`, 'a'.repeat(200)), false)
})
