import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveAddedGroup, resolveUser } from './resolve-user.ts'

const PASSWD = `root:x:0:0:root:/root:/bin/sh
# a comment
bad:x::1:no number:/:/bin/sh
huge:x:4294967296:1:wraps to root:/:/bin/sh
web:x:33:44:web:/var/www:/bin/false

nohome:x:50:50::
7777:x:60:60:a name of digits:/seven:/bin/sh
`
const GROUP = `root:x:0:
wheel:x:10:root,web
extra:x:11:web
own:x:44:web
broken:x:zero:web
`

test('a user is found by name or number, with groups and home', () => {
  const cases: [string, number, number, number[], string][] = [
    ['', 0, 0, [10], '/root'],
    ['root', 0, 0, [10], '/root'],
    ['0', 0, 0, [10], '/root'],
    ['web', 33, 44, [10, 11], '/var/www'],
    ['33', 33, 44, [10, 11], '/var/www'],
    ['web:wheel', 33, 10, [], '/var/www'],
    ['web:12345', 33, 12345, [], '/var/www'],
    ['1234', 1234, 0, [], '/'],
    ['1234:extra', 1234, 11, [], '/'],
    ['nohome', 50, 50, [], '/'],
    // A number is an id, although the image calls another user so: it might as well be its root.
    ['7777', 7777, 0, [], '/'],
    ['web:10', 33, 10, [], '/var/www'],
    [':extra', 0, 11, [], '/root'],
  ]
  for (const [spec, uid, gid, additionalGids, home] of cases)
    assert.deepEqual(resolveUser(spec, PASSWD, GROUP), { uid, gid, additionalGids, home }, spec)
  assert.deepEqual(resolveUser('', undefined, undefined), { uid: 0, gid: 0, additionalGids: [], home: '/' })
})

test('unknown names and numbers out of range are refused', () => {
  const cases: [string, string][] = [
    ['nobody', 'unable to find user nobody: no matching entries in passwd file'],
    ['bad', 'unable to find user bad: no matching entries in passwd file'],
    ['huge', 'unable to find user huge: no matching entries in passwd file'],
    ['web:nogroup', 'unable to find group nogroup: no matching entries in group file'],
    ['web:broken', 'unable to find group broken: no matching entries in group file'],
    ['4294967296', 'uids and gids must be in range 0-2147483647'],
    ['-1', 'uids and gids must be in range 0-2147483647'],
    ['0:99999999999999999999', 'uids and gids must be in range 0-2147483647'],
  ]
  for (const [spec, message] of cases)
    assert.throws(() => resolveUser(spec, PASSWD, GROUP), { code: 'invalid-argument', message }, spec)
})

test('an out-of-range number is no name, even where an entry has that name', () => {
  assert.throws(() => resolveUser('4294967295', '4294967295:x:0:0::/:\n', ''), /must be in range/)
})

test('added groups go by name or number', () => {
  assert.equal(resolveAddedGroup('wheel', GROUP), 10)
  assert.equal(resolveAddedGroup('77', GROUP), 77)
  assert.throws(() => resolveAddedGroup('audio', GROUP), {
    message: 'Unable to find group audio: no matching entries in group file',
  })
})
