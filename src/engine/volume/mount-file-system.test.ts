import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MS_BIND, MS_RDONLY, MS_REC, MS_REMOUNT, MS_SHARED } from '../../linux/constants.ts'
import { ERRNO, KernelError } from '../../linux/kernel-error.ts'
import { openNativeKernel } from '../../linux/native-kernel.ts'
import type { Kernel } from '../../linux/kernel.ts'
import { planMount } from './mount-flags.ts'
import { openFileSystemMounter, runMountJob } from './mount-file-system.ts'

test('options become flags, data, and calls of their own for propagation and read-only binds', () => {
  const plan = (options: string) => planMount({ device: '/d', type: 't', options })
  const first = { source: '/d', fstype: 't' }
  const later = { source: undefined, fstype: undefined, data: undefined }
  assert.deepEqual(plan('size=1m,ro,uid=7'), [{ ...first, flags: MS_RDONLY, data: 'size=1m,uid=7' }])
  assert.deepEqual(plan('ro,rw'), [{ ...first, flags: 0, data: undefined }])
  assert.deepEqual(plan('rbind,ro,rshared'), [
    { ...first, flags: MS_BIND | MS_REC | MS_RDONLY, data: undefined },
    { ...later, flags: MS_SHARED | MS_REC },
    { ...later, flags: MS_BIND | MS_REC | MS_RDONLY | MS_REMOUNT },
  ])
  // A name of JavaScript's own is no option's.
  assert.equal(plan('constructor')[0]?.data, 'constructor')
})

/** A kernel that notes what it is asked to mount, and refuses from the given call on. */
function recording(failsAt = Number.POSITIVE_INFINITY) {
  const calls: string[] = []
  const kernel: Kernel = {
    ...openNativeKernel(),
    mount(source, target, fstype, flags, data) {
      calls.push([source, target, fstype, flags, data].join(' '))
      if (calls.length >= failsAt) throw new KernelError('mount', target, ERRNO.EINVAL)
    },
    umount: (target) => void calls.push(`umount ${target}`),
  }
  return { calls, kernel }
}

test('what a failed later step leaves is unmounted', () => {
  const { calls, kernel } = recording(2)
  const job = { target: '/m', steps: planMount({ device: '/d', type: '', options: 'bind,ro' }) }
  assert.deepEqual(runMountJob(kernel, job), { failed: { step: 1, errno: ERRNO.EINVAL } })
  assert.equal(calls.at(-1), 'umount /m')
})

test('network file systems get addresses for names, and only where there is a name', async () => {
  const asked: string[] = []
  const resolve = async (host: string) => {
    asked.push(host)
    if (host === 'nobody') throw Object.assign(new Error('no'), { code: 'ENOTFOUND' })
    return '192.0.2.7'
  }
  // Mounting itself fails on this kernel or without root: what was asked of it is in the error.
  const refusal = async (type: string, device: string, options: string) => {
    const mounter = openFileSystemMounter(recording().kernel, resolve)
    return await mounter.mount({ target: '/nowhere/at/all', type, device, options }).then(
      () => '',
      (error: Error) => error.message,
    )
  }
  assert.equal(
    await refusal('nfs', ':/x', 'addr=nobody,ro'),
    'error resolving passed in network volume address: lookup nobody: no such host',
  )
  await assert.rejects(
    openFileSystemMounter(recording().kernel, resolve).mount({
      target: '/m',
      type: 'cifs',
      device: '//nobody/s',
      options: '',
    }),
    /lookup nobody: no such host/,
  )
  assert.equal(await refusal('tmpfs', 'x', 'addr=nobody'), '', 'not a network file system')
  assert.deepEqual(asked, ['nobody', 'nobody'])
})

test('no password is told, whichever of its names it has', async () => {
  const kernel = recording(0).kernel
  const options = 'user=u,password=secret,pass=secret,password2=secret,x=1'
  await assert.rejects(
    openFileSystemMounter(kernel).mount({ target: '/m', type: 'tmpfs', device: '//h/s', options }),
    /data: user=u,password=\*{8},pass=\*{8},password2=\*{8},x=1: /,
  )
})
