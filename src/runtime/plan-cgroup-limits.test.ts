import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planCgroupLimits } from './plan-cgroup-limits.ts'

test('limits carry what the spec gives and nothing else', () => {
  assert.deepEqual(
    planCgroupLimits({ memory: { limit: 64, swap: -1 }, cpu: { quota: 50_000, period: 100_000 }, pids: { limit: 7 } }),
    {
      memoryBytesMax: 64,
      memorySwapBytesMax: -1,
      cpuQuotaUs: 50_000,
      cpuPeriodUs: 100_000,
      pidsMax: 7,
    },
  )
  assert.deepEqual(planCgroupLimits(undefined), {})
})

test('a device rule without numbers means every device', () => {
  const limits = planCgroupLimits({
    devices: [
      { allow: false, access: 'rwm' },
      { allow: true, type: 'c', major: 1, minor: -1, access: 'rw' },
    ],
  })
  assert.deepEqual(limits.devices?.slice(0, 2), [
    { allow: false, type: 'a', major: undefined, minor: undefined, access: 'rwm' },
    { allow: true, type: 'c', major: 1, minor: undefined, access: 'rw' },
  ])
})

test('the default devices are allowed after all rules of the spec, but only where it has rules at all', () => {
  const { devices = [] } = planCgroupLimits({ devices: [{ allow: false, access: 'rwm' }] })
  const rules = devices
    .slice(1)
    .map(({ type, major, minor, access }) => `${type} ${major ?? '*'}:${minor ?? '*'} ${access}`)
  assert.deepEqual(rules, [
    ...['c *:* m', 'b *:* m', 'c 1:3 rwm', 'c 1:5 rwm', 'c 1:7 rwm', 'c 1:8 rwm', 'c 1:9 rwm'],
    ...['c 5:0 rwm', 'c 5:1 rwm', 'c 5:2 rwm', 'c 136:* rwm'],
  ])
  assert.equal(planCgroupLimits({ pids: { limit: 1 } }).devices, undefined)
})
