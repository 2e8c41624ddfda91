import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseHierarchies, versionOf } from './parse-hierarchies.ts'

test('a host with v1 hierarchies and an empty unified one is v1', () => {
  const found = parseHierarchies(
    [
      '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
      '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct',
      '33 31 0:29 / /mnt/again rw,relatime - cgroup cgroup rw,cpu,cpuacct',
      '40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd',
      '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
    ].join('\n'),
  )
  assert.deepEqual(found, {
    v1: [
      {
        name: 'cpu,cpuacct',
        controllers: ['cpu', 'cpuacct'],
        title: undefined,
        mountpoint: '/sys/fs/cgroup/cpu,cpuacct',
        root: '/',
      },
      { name: 'systemd', controllers: [], title: 'name=systemd', mountpoint: '/sys/fs/cgroup/systemd', root: '/' },
    ],
    unified: '/sys/fs/cgroup/unified',
    unifiedRoot: '/',
  })
  assert.equal(versionOf(found), 1)
})

test('a host with cgroup2 alone, or with systemd alone beside it, is v2', () => {
  const unified = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate'
  assert.equal(versionOf(parseHierarchies(unified)), 2)
  const named = '40 31 0:37 / /run/old\\040name rw - cgroup cgroup rw,name=systemd'
  const found = parseHierarchies(`${unified}\n${named}\n`)
  assert.equal(versionOf(found), 2)
  assert.equal(found.v1[0]?.mountpoint, '/run/old name')
})

test('a host without any is v1 without controllers', () => {
  assert.equal(versionOf(parseHierarchies('')), 1)
})

test('what something was mounted over is not there any more', () => {
  const lines = [
    '600 599 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw',
    '604 600 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
    '610 600 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
    '618 600 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw',
    '',
  ]
  const found = parseHierarchies(lines.join('\n'))
  assert.deepEqual(found, { v1: [], unified: '/sys/fs/cgroup', unifiedRoot: '/' })
  assert.equal(versionOf(found), 2)
})
