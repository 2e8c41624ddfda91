import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DetachScanner, parseDetachKeys } from './detach-keys.ts'

test('keys are letters and ctrl- combinations', () => {
  assert.deepEqual(parseDetachKeys(''), [16, 17])
  assert.deepEqual(parseDetachKeys('ctrl-a,x,ctrl-_,DEL'), [1, 120, 31, 127])
  assert.throws(() => parseDetachKeys('ctrl-?,a'), /Unknown character: 'ctrl-\?'/)
})

test('the keys are found wherever the chunks are cut, and what only looked like them is passed on', () => {
  const typed = [104, 16, 16, 105, 16, 17, 120]
  for (let size = 1; size <= typed.length; size++) {
    const scanner = new DetachScanner([16, 17])
    const passed: number[] = []
    let isDetached = false
    for (let at = 0; at < typed.length && !isDetached; at += size) {
      const result = scanner.scan(Uint8Array.from(typed.slice(at, at + size)))
      passed.push(...result.bytes)
      isDetached = result.isDetached
    }
    assert.deepEqual({ passed, isDetached }, { passed: [104, 16, 16, 105], isDetached: true })
  }
})

test('one key alone', () => {
  assert.deepEqual(new DetachScanner([1]).scan(Uint8Array.of(5, 1, 6)), { bytes: Uint8Array.of(5), isDetached: true })
})
