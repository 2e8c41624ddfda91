import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkIdentifier, checkLeaseId } from './identifier.ts'

test('a lease may be named as original clients name theirs, in base64url or after a directory', () => {
  for (const id of ['241461440--9qp', '100-_--A', '5-ab_-', 'dev:shell=1', '/mnt/a b'])
    assert.equal(checkLeaseId(id), id)
  for (const id of ['', 'a\0b']) assert.throws(() => checkLeaseId(id), { code: 'invalid-argument' })
})

test('what becomes a file name keeps the strict rule', () => {
  for (const id of ['a', 'a.b-c_d', '0'.repeat(76)]) assert.equal(checkIdentifier(id), id)
  for (const id of ['', '.', '..', 'a--b', '-a', 'a/b', 'x'.repeat(77)])
    assert.throws(() => checkIdentifier(id), { code: 'invalid-argument' })
})
