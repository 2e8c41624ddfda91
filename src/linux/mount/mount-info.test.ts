import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mountOf } from './mount-info.ts'
import { parseMountInfo } from './parse-mountinfo.ts'

const TABLE = `22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:30 / /srv rw,nosuid shared:2 master:1 - tmpfs tmpfs rw
31 30 0:31 / /srv/with\\040space rw - tmpfs x rw
32 22 0:32 / /srv rw - over over rw
`

test('a path belongs to the deepest mount above it, and of two at one place to the upper', () => {
  const mounts = parseMountInfo(TABLE)
  assert.equal(mountOf('/srv/data', mounts)?.fstype, 'over')
  assert.deepEqual(mountOf('/', mounts)?.optional, ['shared:1'])
  assert.equal(mountOf('/srv/with space/x', mounts)?.mountPoint, '/srv/with space')
  assert.equal(mountOf('/srvother', mounts)?.mountPoint, '/')
})
