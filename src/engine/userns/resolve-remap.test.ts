import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextFree } from './add-remap-user.ts'
import { mappedRoot, ownersOf, snapshotLabels, turnedAround } from './id-map.ts'
import { resolveRemap, type UserDatabase } from './resolve-remap.ts'

const FILES = {
  passwd: 'root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n',
  group: 'root:x:0:\nann:x:1000:bob\nothers:x:77:\n',
  subuid: '# a comment\nann:100000:10\nann:300000:20\n1001:500000:65536\n',
  subgid: 'ann:200000:30\nbob:600000:65536\n',
}

function database(files: Partial<typeof FILES> = {}, added: string[] = []): UserDatabase {
  const current = { ...FILES, ...files }
  return {
    read: (file) => current[file],
    addRemapUser: (name) => {
      added.push(name)
      current.passwd += `${name}:x:999:999::/:/bin/false\n`
      current.subuid += `${name}:700000:65536\n`
      current.subgid += `${name}:700000:65536\n`
    },
  }
}

const ANN = {
  uid: [
    { containerID: 0, hostID: 100000, size: 10 },
    { containerID: 10, hostID: 300000, size: 20 },
  ],
  gid: [{ containerID: 0, hostID: 200000, size: 30 }],
}

test('names and numbers of users and groups lead to the user’s ranges, one after another', () => {
  for (const setting of ['ann', '1000', 'ann:others', '1000:77', 'ann:77'])
    assert.deepEqual(resolveRemap(setting, database()), ANN, setting)
  assert.deepEqual(resolveRemap('bob:ann', database()), {
    uid: [{ containerID: 0, hostID: 500000, size: 65536 }], // by number
    gid: [{ containerID: 0, hostID: 600000, size: 65536 }],
  })
})

test('root is not mapped, nor is anything without the setting', () => {
  assert.equal(resolveRemap('', database()), undefined)
  assert.equal(resolveRemap('root', database()), undefined)
  assert.equal(resolveRemap('0', database()), undefined)
})

test('`default` is dockremap, which is made where it is missing', () => {
  const added: string[] = []
  const made = resolveRemap('default', database({}, added))
  assert.deepEqual(added, ['dockremap'])
  assert.deepEqual(made?.uid, [{ containerID: 0, hostID: 700000, size: 65536 }])
  const passwd = `${FILES.passwd}dockremap:x:900:900::/:/bin/false\n`
  const there = { passwd, group: `${FILES.group}dockremap:x:900:\n`, subuid: 'dockremap:1:2', subgid: 'dockremap:3:4' }
  assert.deepEqual(resolveRemap('default', database(there, added))?.gid, [{ containerID: 0, hostID: 3, size: 4 }])
  assert.equal(added.length, 1)
})

test('what cannot be is refused in Docker’s words', () => {
  const cases: [string, string, Partial<typeof FILES>?][] = [
    ['a:b:c', 'invalid user/group specification in --userns-remap: "a:b:c"'],
    ['eve', 'error during uid lookup for "eve": no such user'],
    ['4000', 'uid 4000 has no entry in /etc/passwd: no such user'],
    ['1001', 'gid 1001 has no entry in /etc/group: no such group'],
    ['bob', 'error during gid lookup for "bob": no such group'],
    ['ann:nobody', 'error during groupname lookup for "nobody": no such group'],
    ['ann:4000', 'gid 4000 has no entry in /etc/passwd: no such group'],
    ['ann', 'Can\'t create ID mappings: no subuid ranges found for user "ann"', { subuid: '' }],
    ['ann', 'Can\'t create ID mappings: no subgid ranges found for user "ann"', { subgid: 'bob:1:2' }],
    ['ann', "Can't create ID mappings: invalid range 5:x in /etc/subuid", { subuid: 'ann:5:x' }],
    [
      'ann',
      "Can't create ID mappings: invalid range 4294967290:65536 in /etc/subuid",
      { subuid: 'ann:4294967290:65536' },
    ],
  ]
  for (const [setting, message, files] of cases)
    assert.throws(() => resolveRemap(setting, database(files)), { code: 'invalid-argument', message })
})

test('owners go both ways, and a map turned around is its own way back', () => {
  const owners = ownersOf(ANN)
  assert.deepEqual(mappedRoot(ANN), { uid: 100000, gid: 200000 })
  assert.deepEqual(owners.given({ uid: 11, gid: 29 }), { uid: 300001, gid: 200029 })
  assert.deepEqual(owners.told({ uid: 300001, gid: 200029 }), { uid: 11, gid: 29 })
  assert.deepEqual(owners.told({ uid: 0, gid: 5 }), { uid: 65534, gid: 65534 })
  assert.throws(() => owners.given({ uid: 30, gid: 0 }), { message: 'container ID 30 cannot be mapped to a host ID' })
  assert.deepEqual(turnedAround(turnedAround(ANN)), ANN)
  assert.deepEqual(snapshotLabels(ANN), {
    'containerd.io/snapshot/uidmapping': '0:100000:10,10:300000:20',
    'containerd.io/snapshot/gidmapping': '0:200000:30',
  })
})

test('a new range goes where a whole one fits between others', () => {
  assert.equal(nextFree([]), 100000)
  assert.equal(nextFree([['a', '100000', '65536']]), 165536)
  assert.equal(
    nextFree([
      ['a', '100000', '65536'],
      ['b', '170000', '10'],
    ]),
    170010,
  )
  assert.equal(
    nextFree([
      ['a', '100000', '65536'],
      ['b', '231072', '10'],
    ]),
    165536,
  )
  assert.equal(
    nextFree([
      ['', ''],
      ['a', '500000', '65536'],
    ]),
    100000,
  )
})
