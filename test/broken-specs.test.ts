// Every configuration of the table of broken ones is refused, in exactly the words of the table.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '../src/base/failure.ts'
import { parseRuntimeSpec } from '../src/runtime/parse-runtime-spec.ts'
import { planContainer } from '../src/runtime/plan-container.ts'
import { BROKEN_SPECS, SOUND_SPEC } from './harness/broken-specs.ts'

function plan(json: string): void {
  planContainer({
    id: 'broken',
    spec: parseRuntimeSpec(json),
    host: { arch: 'x86_64', cgroupVersion: 1, capabilities: (1n << 41n) - 1n, lastCapability: 40 },
    rootfs: { passwd: undefined, group: undefined },
    rootfsDirectory: '/bundle/rootfs',
    cgroup: { steps: [], directory: undefined, hierarchies: [] },
    stdin: false,
    launch: {
      wait: 'channel',
      preservedDescriptors: 0,
      rootfsSource: '/bundle/rootfs',
      rootless: false,
      noPivot: false,
      noNewKeyring: false,
    },
  })
}

test('what the broken ones are made from is sound', () => {
  plan(JSON.stringify(SOUND_SPEC))
})

test(`${BROKEN_SPECS.length} broken configurations are refused, each in its own words`, () => {
  assert.ok(BROKEN_SPECS.length >= 150)
  assert.equal(new Set(BROKEN_SPECS.map(({ name }) => name)).size, BROKEN_SPECS.length)
  const said = BROKEN_SPECS.map(({ name, json }) => {
    try {
      plan(json)
      return { name, message: 'taken' }
    } catch (error) {
      return { name, message: isFailure(error) ? error.message : `no Failure: ${String(error)}` }
    }
  })
  assert.deepEqual(
    said,
    BROKEN_SPECS.map(({ name, message }) => ({ name, message })),
  )
})
