import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ResourcesSpec } from '../oci/runtime-spec.ts'
import { ignoredResources, planCgroupLimits, planFirstCgroupLimits } from './plan-cgroup-limits.ts'

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

test('a new group denies every device before the first rule, also where there is none', () => {
  const denied = { allow: false, type: 'a', major: undefined, minor: undefined, access: 'rwm' }
  assert.deepEqual(planFirstCgroupLimits(undefined).devices?.[0], denied)
  assert.deepEqual(planFirstCgroupLimits({ devices: [{ allow: true, access: 'rwm' }] }).devices?.slice(0, 2), [
    denied,
    { ...denied, allow: true },
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

test('every field has its place', () => {
  const throttled = [{ major: 8, minor: 0, rate: 5 }]
  const cases: [ResourcesSpec, object][] = [
    [{}, {}],
    [{ memory: { reservation: 1, swappiness: 0 } }, { memoryReservationBytes: 1, memorySwappiness: 0 }],
    [
      { memory: { disableOOMKiller: false, checkBeforeUpdate: true } },
      { oomKillDisable: false, checkMemoryBeforeUpdate: true },
    ],
    [{ memory: { kernel: 5, useHierarchy: true } }, {}],
    [{ memory: { kernelTCP: 5 } }, { kernelMemoryTcpBytes: 5 }],
    [{ cpu: { shares: 2, burst: 0, idle: 0 } }, { cpuShares: 2, cpuBurstUs: 0, cpuIdle: 0 }],
    [{ cpu: { realtimeRuntime: 1, realtimePeriod: 2 } }, { cpuRealtimeRuntimeUs: 1, cpuRealtimePeriodUs: 2 }],
    [{ cpu: { cpus: '0', mems: '1' } }, { cpusetCpus: '0', cpusetMems: '1' }],
    [{ pids: { limit: -1 } }, { pidsMax: -1 }],
    [{ blockIO: { weight: 10, leafWeight: 20 } }, { blockIoWeight: 10, blockIoLeafWeight: 20 }],
    [
      { blockIO: { weightDevice: [{ major: 8, minor: 0, weight: 10, leafWeight: 20 }] } },
      { blockIoWeightDevices: [{ major: 8, minor: 0, weight: 10, leafWeight: 20 }] },
    ],
    [
      {
        blockIO: {
          throttleReadBpsDevice: throttled,
          throttleWriteBpsDevice: throttled,
          throttleReadIOPSDevice: throttled,
          throttleWriteIOPSDevice: throttled,
        },
      },
      {
        blockIoThrottles: (['read-bps', 'write-bps', 'read-iops', 'write-iops'] as const).map((kind) => ({
          kind,
          ...throttled[0],
        })),
      },
    ],
    [{ hugepageLimits: [{ pageSize: '2MB', limit: 7 }] }, { hugepageBytes: { '2MB': 7 } }],
    [
      { network: { classID: 9, priorities: [{ name: 'lo', priority: 3 }] } },
      { networkClassId: 9, networkPriorities: [{ name: 'lo', priority: 3 }] },
    ],
    [{ rdma: { mlx5_0: { hcaHandles: 1 } } }, { rdma: { mlx5_0: { hcaHandles: 1 } } }],
    [{ unified: { 'memory.high': '1' } }, { unified: { 'memory.high': '1' } }],
  ]
  for (const [resources, expected] of cases)
    assert.deepEqual(planCgroupLimits(resources), expected, JSON.stringify(resources))
})

test('names that would become part of a file name, or another word of a write, are refused', () => {
  const cases: [ResourcesSpec, string][] = [
    [
      { hugepageLimits: [{ pageSize: '../2MB', limit: 1 }] },
      'linux.resources.hugepageLimits[0].pageSize: "../2MB" is not of the form 2MB',
    ],
    [
      { hugepageLimits: [{ pageSize: '2048kB', limit: 1 }] },
      'linux.resources.hugepageLimits[0].pageSize: "2048kB" is not of the form 2MB',
    ],
    [
      { network: { priorities: [{ name: 'eth0 9\nlo', priority: 1 }] } },
      'linux.resources.network.priorities[0].name: "eth0 9\\nlo" is not a device name',
    ],
    [{ rdma: { 'a b': { hcaHandles: 1 } } }, 'linux.resources.rdma: "a b" is not a device name'],
    [{ rdma: { a: {} } }, 'linux.resources.rdma.a: neither hcaHandles nor hcaObjects is given'],
  ]
  for (const [resources, message] of cases)
    assert.throws(() => planCgroupLimits(resources), { code: 'invalid-argument', message })
})

test('what is passed over is told', () => {
  assert.deepEqual(ignoredResources({ memory: { kernel: 1 } }), [
    'Kernel memory settings are ignored and will be removed',
  ])
  assert.deepEqual(ignoredResources({ memory: { limit: 1 } }), [])
  assert.deepEqual(ignoredResources(undefined), [])
})
