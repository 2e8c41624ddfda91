import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CAPABILITIES, capabilityNames, chooseCapabilities } from './capabilities.ts'

const without = (name: string): string[] => CAPABILITIES.filter((each) => each !== name)
const choose = (add: string[], drop: string[], more: { privileged?: boolean; available?: string[] } = {}): string[] =>
  chooseCapabilities({ add, drop, privileged: false, available: CAPABILITIES, ...more })

test("the default set is Docker's", () => {
  const mask = choose([], []).reduce((sum, name) => sum | (1n << BigInt(CAPABILITIES.indexOf(name))), 0n)
  assert.equal(mask.toString(16), 'a80425fb')
  assert.deepEqual(new Set(capabilityNames(mask)), new Set(choose([], [])))
})

test('names may be of any case, with and without CAP_', () => {
  for (const name of ['net_admin', 'CAP_NET_ADMIN', 'cap_Net_Admin']) {
    assert.ok(choose([name], []).includes('CAP_NET_ADMIN'))
    assert.deepEqual(choose([name], ['all']), ['CAP_NET_ADMIN'])
  }
  assert.ok(!choose([], ['Kill']).includes('CAP_KILL'))
  assert.deepEqual(choose(['ALL'], ['mknod']), without('CAP_MKNOD'))
  assert.deepEqual(choose([], ['ALL']), [])
  assert.ok(choose(['kill'], ['kill']).includes('CAP_KILL'))
  assert.ok(!choose(['kill', 'all'], ['kill']).includes('CAP_KILL'))
})

test('nobody gets what the daemon has not got', () => {
  const available = without('CAP_SYS_RESOURCE')
  assert.deepEqual(choose([], [], { privileged: true, available }), available)
  assert.deepEqual(choose(['ALL'], [], { available }), available)
  assert.throws(() => choose(['sys_resource'], [], { available }), {
    message:
      'invalid CapAdd: capability not supported by your kernel or not available in the current environment: "CAP_SYS_RESOURCE"',
  })
})

test('unknown names are refused with the field', () => {
  assert.throws(() => choose(['foo'], []), {
    code: 'invalid-argument',
    message: 'invalid CapAdd: unknown capability: "CAP_FOO"',
  })
  assert.throws(() => choose([], ['foo']), { message: 'invalid CapDrop: unknown capability: "CAP_FOO"' })
})
