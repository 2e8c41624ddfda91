import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_SLAVE,
} from '../constants.ts'
import { parseMountOptions } from './parse-mount-options.ts'

test('options are sorted into attributes, propagation and data', () => {
  const options = parseMountOptions(['nosuid', 'strictatime', 'mode=755', 'size=65536k', 'newinstance', 'rprivate'])
  assert.deepEqual(options.own, { set: MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME, clear: MOUNT_ATTR__ATIME })
  assert.deepEqual(options.propagation, { kind: MS_PRIVATE, recursive: true })
  assert.deepEqual(options.data, [
    ['mode', '755'],
    ['size', '65536k'],
    ['newinstance', undefined],
  ])
})

test('the later of two contrary options wins', () => {
  assert.deepEqual(parseMountOptions(['ro', 'rw']).own, { set: 0, clear: MOUNT_ATTR_RDONLY })
  assert.deepEqual(parseMountOptions(['rw', 'ro']).own, { set: MOUNT_ATTR_RDONLY, clear: 0 })
  assert.equal(parseMountOptions(['private', 'slave']).propagation?.kind, MS_SLAVE)
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

test('what is not done is told apart from what the file system may know', () => {
  assert.deepEqual(parseMountOptions(['remount', 'idmap=uids=0-1-1', 'tmpcopyup']).unsupported, [
    'remount',
    'idmap=uids=0-1-1',
    'tmpcopyup',
  ])
})
