import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure, isFailure } from '../../base/failure.ts'
import { chooseDropped, isCut, type KeptPull, nextExpiryMs, noRoom } from './kept-pulls.ts'

const MIB = 1 << 20
const pull = (id: string, expiresAtMs: number, mib: number): KeptPull => ({ id, expiresAtMs, bytes: mib * MIB })

test('those whose time is over go, and those that are not worth it', () => {
  const kept = [pull('now', 1000, 5), pull('later', 1001, 5), pull('never', Number.NaN, 5), pull('small', 2000, 0.01)]
  assert.deepEqual(chooseDropped(kept, 1000).sort(), ['never', 'now', 'small'])
})

test('the youngest stay where not all fit; one that is too large by itself makes no room for nothing', () => {
  const kept = [pull('oldest', 10, 4), pull('huge', 40, 100), pull('young', 30, 6), pull('old', 20, 6)]
  assert.deepEqual(chooseDropped(kept, 0, 10 * MIB), ['huge', 'old'])
  assert.deepEqual(chooseDropped(kept, 0, 9 * MIB), ['huge', 'old', 'oldest'])
})

test('the next look is due when the first of those that stay is to go', () => {
  const kept = [pull('a', 30, 1), pull('b', 20, 1), pull('c', 10, 1)]
  assert.equal(nextExpiryMs(kept, ['c']), 20)
  assert.equal(nextExpiryMs([], []), undefined)
})

test('a cut is what the line did, not what the registry sent or the client wanted', () => {
  assert.ok(isCut(new Failure('unavailable', 'unexpected EOF')))
  for (const code of ['cancelled', 'data-loss', 'resource-exhausted', 'not-found', 'failed-precondition'] as const)
    assert.ok(!isCut(new Failure(code, 'x')), code)
  assert.ok(!isCut(new Error('a mistake of ours')))
  assert.ok(!isCut(undefined))
})

test('a disk that is full now may have room later, one that is too small will not', () => {
  assert.ok(isCut(new Failure('resource-exhausted', 'write blob-sha256:x: ENOSPC: no space left on device, write')))
  assert.ok(isCut(new Failure('unknown', 'write /var/lib/containerd/x: no space left on device')))
  assert.ok(isCut(noRoom(100, 1000, '/data')))
  const never = noRoom(1001, 1000, '/data')
  assert.equal(never.message, 'write /data: no space left on device')
  assert.ok(isFailure(never, 'resource-exhausted') && !isCut(never))
})
