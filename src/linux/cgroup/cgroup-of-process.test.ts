import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordOfProcess } from './cgroup-of-process.ts'
import { parseHierarchies } from './parse-hierarchies.ts'

const V1 = parseHierarchies(
  [
    '30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
    '31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct',
    '32 25 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd',
    '33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
  ].join('\n'),
)
const V2 = parseHierarchies('30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw')

test('each hierarchy has the directory in which the process is', () => {
  const groups = '4:memory:/a/c1\n3:cpu,cpuacct:/b/c1\n2:name=systemd:/a/c1\n0::/a/c1\n'
  assert.deepEqual(recordOfProcess(V1, groups, '4:memory:/\n3:cpu,cpuacct:/\n2:name=systemd:/\n0::/\n'), {
    version: 1,
    path: '/a/c1',
    paths: {
      memory: '/sys/fs/cgroup/memory/a/c1',
      cpu: '/sys/fs/cgroup/cpu,cpuacct/b/c1',
      cpuacct: '/sys/fs/cgroup/cpu,cpuacct/b/c1',
      'name=systemd': '/sys/fs/cgroup/systemd/a/c1',
      '': '/sys/fs/cgroup/unified/a/c1',
    },
    rootless: false,
  })
  assert.deepEqual(recordOfProcess(V2, '0::/x/y\n', '0::/me\n'), {
    version: 2,
    path: '/x/y',
    paths: { '': '/sys/fs/cgroup/x/y' },
    rootless: false,
  })
})

test('the root, our own group, and what is above it are nobody else’s', () => {
  const groups = '4:memory:/me/too\n3:cpu,cpuacct:/\n2:name=systemd:/me\n0::/mean\n'
  const own = '4:memory:/me/too\n3:cpu,cpuacct:/me\n2:name=systemd:/me/too\n0::/me\n'
  assert.deepEqual(recordOfProcess(V1, groups, own).paths, { '': '/sys/fs/cgroup/unified/mean' })
})
