import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allCapabilities, capabilityMask, readOwnCapabilities } from './capabilities.ts'

test("Docker's default set is the mask that everybody knows", () => {
  const names = [
    'CHOWN',
    'DAC_OVERRIDE',
    'FSETID',
    'FOWNER',
    'MKNOD',
    'NET_RAW',
    'SETGID',
    'SETUID',
    'SETFCAP',
    'SETPCAP',
  ]
  const more = ['NET_BIND_SERVICE', 'SYS_CHROOT', 'KILL', 'AUDIT_WRITE']
  assert.equal(capabilityMask([...names, ...more].map((name) => `CAP_${name}`)), 0xa80425fbn)
})

test('unknown names count for nothing, and none at all make an empty set', () => {
  assert.equal(capabilityMask(['CAP_OF_THE_FUTURE', 'constructor', 'CAP_CHECKPOINT_RESTORE']), 1n << 40n)
  assert.equal(capabilityMask(undefined), 0n)
  assert.equal(allCapabilities(40), 0x1ffffffffffn)
})

test('the own set is a subset of what the kernel knows', () => {
  const { permitted, last } = readOwnCapabilities()
  assert.ok(last >= 37)
  assert.equal(permitted & ~allCapabilities(last), 0n)
})
