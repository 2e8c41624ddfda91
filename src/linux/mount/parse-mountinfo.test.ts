import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMountInfo } from './parse-mountinfo.ts'

test('a line says where a mount is, of what type, and with which options of its file system', () => {
  const text =
    '700 600 0:55 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/data/with\\040space,workdir=/w\n' +
    '701 700 0:56 / /a\\011b rw master:3 propagate_from:2 - tmpfs tmpfs rw,size=1k\n' +
    'nonsense\n'
  assert.deepEqual(parseMountInfo(text), [
    {
      mountPoint: '/',
      optional: [],
      fstype: 'overlay',
      superOptions: ['rw', 'lowerdir=/a:/b', 'upperdir=/data/with space', 'workdir=/w'],
    },
    {
      mountPoint: '/a\tb',
      optional: ['master:3', 'propagate_from:2'],
      fstype: 'tmpfs',
      superOptions: ['rw', 'size=1k'],
    },
  ])
})
