import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_DETACH_KEYS, DetachFilter, parseDetachKeys } from './detach-keys.ts'

const parse = (text: string) => parseDetachKeys(text, (bad) => `Invalid detach keys (${bad}) provided`)

test('keys are single characters and ctrl- with a letter or a symbol', () => {
  assert.deepEqual(parse('ctrl-a,x,ctrl-@,ctrl-_'), [1, 0x78, 0, 31])
  assert.deepEqual(parse(''), DEFAULT_DETACH_KEYS)
  for (const text of ['ctrl-', 'ctrl-A', 'ab', 'a,,b', 'ctrl-é'])
    assert.throws(() => parse(text), { code: 'invalid-argument', message: `Invalid detach keys (${text}) provided` })
})

test('the keys are found across chunks, what precedes them is forwarded', () => {
  const filter = new DetachFilter(DEFAULT_DETACH_KEYS)
  assert.deepEqual(filter.push(Buffer.from('ab\x10')), { forward: Buffer.from('ab'), isDetached: false })
  assert.deepEqual(filter.push(Buffer.from('\x11rest')), { forward: Buffer.alloc(0), isDetached: true })
})

test('a beginning that leads nowhere is given back', () => {
  const filter = new DetachFilter(DEFAULT_DETACH_KEYS)
  const all = ['a\x10', '\x10b', '\x10'].map((text) => filter.push(Buffer.from(text)).forward.toString())
  assert.equal(all.join('') + filter.flush().toString(), 'a\x10\x10b\x10')
})

test('what breaks a match begins none: after ctrl-p twice ctrl-q goes on to the program, however the chunks are cut', () => {
  for (const chunks of [['\x10\x10\x11'], ['\x10', '\x10\x11'], ['\x10', '\x10', '\x11']]) {
    const filter = new DetachFilter(DEFAULT_DETACH_KEYS)
    const results = chunks.map((text) => filter.push(Buffer.from(text)))
    assert.ok(results.every(({ isDetached }) => !isDetached))
    assert.equal(Buffer.concat(results.map(({ forward }) => forward)).toString(), '\x10\x10\x11')
  }
})
