import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findHome } from './user.ts'

test('the home directory is that of the first line with the id', () => {
  const passwd = 'root:x:0:0:root:/root:/bin/sh\na:x:00100:1::/first:\nb:x:100:1::/second:\nempty:x:5:5:::\nshort:x:6\n'
  const cases: [number, string][] = [
    [0, '/root'],
    [100, '/first'],
    [5, '/'],
    [6, '/'],
    [7, '/'],
  ]
  for (const [uid, home] of cases) assert.equal(findHome(passwd, uid), home)
  assert.equal(findHome(undefined, 0), '/')
})

test('ids that are no numbers are nobody', () => {
  assert.equal(findHome('x:x:0x0:0::/evil:\ny:x:-0:0::/evil:\nz:x: 0:0::/evil:\nw:x::0::/evil:\n', 0), '/')
})
