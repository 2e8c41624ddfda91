import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ERRNO, KernelError } from '../linux/kernel-error.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { openRecordingKernel } from '../linux/recording-kernel.ts'
import type { MountSpec } from '../oci/runtime-spec.ts'
import { readRootfsFacts } from './read-rootfs-facts.ts'

const kernel = openNativeKernel()

function rootfs(t: TestContext): { directory: string; fd: number } {
  const directory = mkdtempSync(join(tmpdir(), 'rootfs-'))
  mkdirSync(join(directory, 'etc'))
  const fd = openSync(directory, 'r')
  t.after(() => {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  })
  return { directory, fd }
}

test('the user database is read from inside the root', (t) => {
  const { directory, fd } = rootfs(t)
  writeFileSync(join(directory, 'etc/passwd'), 'inside')
  symlinkSync('/etc/passwd', join(directory, 'etc/group')) // absolute: the root's own
  assert.deepEqual(readRootfsFacts(kernel, fd), { passwd: 'inside', group: 'inside' })
})

test('what is absent, no file, too big or outside counts as absent', (t) => {
  const { directory, fd } = rootfs(t)
  symlinkSync('../../../../../../etc/hostname', join(directory, 'etc/passwd'))
  assert.deepEqual(readRootfsFacts(kernel, fd), { passwd: undefined, group: undefined })
  rmSync(join(directory, 'etc/passwd'))
  symlinkSync('/proc/self/fd/0', join(directory, 'etc/passwd'))
  mkdirSync(join(directory, 'etc/group'))
  assert.deepEqual(readRootfsFacts(kernel, fd), { passwd: undefined, group: undefined })
  rmSync(join(directory, 'etc/passwd'))
  writeFileSync(join(directory, 'etc/passwd'), Buffer.alloc((1 << 20) + 1))
  assert.equal(readRootfsFacts(kernel, fd).passwd, undefined)
})

test('what a mount puts at the place of the user database is read instead', (t) => {
  const { directory, fd } = rootfs(t)
  for (const name of ['passwd', 'group']) writeFileSync(join(directory, 'etc', name), 'inside')
  mkdirSync(join(directory, 'other'))
  writeFileSync(join(directory, 'other/passwd'), 'mounted')
  const read = (mounts: MountSpec[]) => {
    const { passwd, group } = readRootfsFacts(kernel, fd, { ociVersion: '1.0.2', mounts })
    return [passwd, group]
  }
  const source = join(directory, 'other/passwd')
  assert.deepEqual(read([{ destination: '/etc/passwd', type: 'bind', source }]), ['mounted', 'inside'])
  assert.deepEqual(read([{ destination: '/etc/', options: ['rbind'], source: join(directory, 'other') }]), [
    'mounted',
    undefined,
  ])
  assert.deepEqual(read([{ destination: '/etc', type: 'tmpfs' }]), [undefined, undefined])
  assert.deepEqual(read([{ destination: '/etc', type: 'tmpfs', options: ['tmpcopyup'] }]), ['inside', 'inside'])
  assert.deepEqual(read([{ destination: '/etc/passwd.d', type: 'tmpfs' }]), ['inside', 'inside'])
  assert.deepEqual(
    read([
      { destination: '/etc', type: 'tmpfs' },
      { destination: '/etc/passwd', type: 'bind', source },
    ]),
    ['mounted', undefined],
  )
})

test('a FIFO does not make the reader wait', (t) => {
  const { directory, fd } = rootfs(t)
  execFileSync('mkfifo', [join(directory, 'etc/passwd')])
  assert.equal(readRootfsFacts(kernel, fd).passwd, undefined)
})

test('with a spec, modes of tmpfs targets and kinds of bind sources are told', (t) => {
  const { directory, fd } = rootfs(t)
  mkdirSync(join(directory, 'tmp'), { mode: 0o700 })
  writeFileSync(join(directory, 'file'), '')
  const facts = readRootfsFacts(kernel, fd, {
    ociVersion: '1.0.2',
    mounts: [
      { destination: '/tmp/', type: 'tmpfs' },
      { destination: '/etc', type: 'tmpfs', options: ['mode=755'] },
      { destination: '/none', type: 'tmpfs' },
      { destination: '/a', type: 'bind', source: join(directory, 'file') },
      { destination: '/b', type: 'none', source: directory, options: ['rbind'] },
      { destination: '/c', type: 'bind', source: '/not/there' },
    ],
  })
  assert.deepEqual(facts.modes, new Map([['/tmp', 0o700]]))
  assert.deepEqual(
    facts.sources,
    new Map([
      [join(directory, 'file'), 'file'],
      [directory, 'directory'],
    ]),
  )
})

test('a machine out of descriptors is a failure, not an image without users', () => {
  const { kernel: broken } = openRecordingKernel({
    openat2: (_directory, path) => {
      throw new KernelError('openat2', path, ERRNO.EMFILE)
    },
  })
  assert.throws(() => readRootfsFacts(broken, 3), { code: 'resource-exhausted' })
})
