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
  assert.deepEqual(limits.devices, [
    { allow: false, type: 'a', major: undefined, minor: undefined, access: 'rwm' },
    { allow: true, type: 'c', major: 1, minor: undefined, access: 'rw' },
  ])
})
