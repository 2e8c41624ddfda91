import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
} from '../constants.ts'
import { knownMountOptions, parseMountOptions } from './parse-mount-options.ts'

test('options are sorted into attributes, propagation and data', () => {
  const options = parseMountOptions(['nosuid', 'strictatime', 'mode=755', 'size=65536k', 'newinstance', 'rprivate'])
  const clear = MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME
  assert.deepEqual(options.own, { set: MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME, clear })
  assert.deepEqual(options.propagation, [{ kind: MS_PRIVATE, recursive: true }])
  assert.deepEqual(options.data, [
    ['mode', '755'],
    ['size', '65536k'],
    ['newinstance', undefined],
  ])
})

test('the later of two contrary options wins', () => {
  assert.deepEqual(parseMountOptions(['ro', 'rw']).own, { set: 0, clear: MOUNT_ATTR_RDONLY })
  assert.deepEqual(parseMountOptions(['rw', 'ro']).own, { set: MOUNT_ATTR_RDONLY, clear: 0 })
  assert.deepEqual(parseMountOptions(['sync', 'lazytime', 'async']).superblock, ['lazytime', 'async'])
})

test('an option with r in front acts on the whole tree', () => {
  const options = parseMountOptions(['rbind', 'rro', 'rnodev'])
  assert.equal(options.bind, 'recursive')
  assert.deepEqual(options.recursive, { set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, clear: 0 })
  assert.deepEqual(options.own, { set: 0, clear: 0 })
})

test('a value keeps its equals signs, and names of Object are no options', () => {
  assert.deepEqual(parseMountOptions(['context=a=b', 'constructor']).data, [
    ['context', 'a=b'],
    ['constructor', undefined],
  ])
})

test('every propagation counts, in order: a slave that is shared is both', () => {
  assert.deepEqual(parseMountOptions(['rslave', 'shared']).propagation, [
    { kind: MS_SLAVE, recursive: true },
    { kind: MS_SHARED, recursive: false },
  ])
})

test('the flags of access times combine as mount(2) combines them', () => {
  const cases: [options: string[], set: number, isCleared: boolean][] = [
    [[], 0, false],
    [['atime'], 0, false], // nothing is asked for: what was stays
    [['norelatime'], 0, false],
    [['noatime', 'atime'], 0, false],
    [['relatime'], 0, true],
    [['noatime'], MOUNT_ATTR_NOATIME, true],
    [['noatime', 'relatime'], MOUNT_ATTR_NOATIME, true],
    [['noatime', 'strictatime'], MOUNT_ATTR_STRICTATIME, true],
    [['nodiratime', 'norelatime'], MOUNT_ATTR_NODIRATIME, true],
    [['nodiratime', 'diratime', 'strictatime'], MOUNT_ATTR_STRICTATIME, true],
  ]
  for (const [options, set, isCleared] of cases) {
    const { own } = parseMountOptions(options)
    assert.equal(own.set, set, options.join())
    assert.equal((own.clear & MOUNT_ATTR__ATIME) !== 0, isCleared, options.join())
    assert.equal(own.set & own.clear & MOUNT_ATTR_NODIRATIME, 0, options.join())
  }
})

test('a bind mount knows whether it was told anything of itself', () => {
  for (const option of ['ro', 'rw', 'dev', 'atime', 'sync']) assert.equal(parseMountOptions([option]).isOwnGiven, true)
  for (const option of ['rbind', 'rprivate', 'rro', 'idmap', 'defaults'])
    assert.equal(parseMountOptions([option]).isOwnGiven, false, option)
})

test('an entry may hold several options; quotes keep a label together', () => {
  assert.deepEqual(parseMountOptions(['size=1m,mode=755', 'context="a:b,c",ro', ',']).data, [
    ['size', '1m'],
    ['mode', '755'],
    ['context', '"a:b,c"'],
  ])
})

test('words with a meaning of their own are no data', () => {
  const options = parseMountOptions(['remount', 'ridmap', 'tmpcopyup', 'mand', 'silent', 'defaults'])
  assert.deepEqual(
    [options.isRemount, options.idmap, options.copiesUp, options.obsolete, options.data],
    [true, 'recursive', true, ['mand'], []],
  )
})

test('every name that is listed is understood', () => {
  for (const name of knownMountOptions()) assert.deepEqual(parseMountOptions([name]).data, [], name)
})
