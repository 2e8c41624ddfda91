import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CgroupLimits } from './cgroup.ts'
import { unifiedWrites, type V2State, weightOfBlockIo, weightOfShares, writesForV2 } from './v2-writes.ts'

const STATE: V2State = {
  memoryBytesMax: undefined,
  memoryBytesUsed: undefined,
  cpuMax: 'max 100000\n',
  ioWeightFile: 'io.weight',
}

const written = (limits: CgroupLimits, state: Partial<V2State> = {}) =>
  writesForV2(limits, { ...STATE, ...state }).map(
    ({ file, value, deferrable, optional }) =>
      `${file}=${value}${deferrable ? ' later' : ''}${optional ? ' maybe' : ''}`,
  )

test('shares become weights on a curve that keeps both defaults together', () => {
  const cases: [shares: number, weight: number][] = [
    [1, 1],
    [2, 1],
    [512, 59],
    [1024, 100],
    [2048, 174],
    [262_144, 10_000],
    [300_000, 10_000],
  ]
  for (const [shares, weight] of cases) assert.equal(weightOfShares(shares), weight, `${shares} shares`)
  let before = 0
  for (let shares = 2; shares < 262_144; shares = Math.ceil(shares * 1.1)) {
    assert.ok(weightOfShares(shares) >= before, 'more shares never weigh less')
    before = weightOfShares(shares)
  }
})

test('block I/O weights span the whole range', () => {
  assert.deepEqual([10, 500, 1000].map(weightOfBlockIo), [1, 4950, 10_000])
})

test('limits and the files they go to', () => {
  const bfq = { ioWeightFile: 'io.bfq.weight' }
  const cases: [CgroupLimits, string[], Partial<V2State>?][] = [
    [{}, []],
    [{ memoryBytesMax: 64, memorySwapBytesMax: 128 }, ['memory.swap.max=64', 'memory.max=64']],
    [{ memoryBytesMax: 64, memorySwapBytesMax: 64 }, ['memory.swap.max=0 maybe', 'memory.max=64']],
    [{ memoryBytesMax: 64, memorySwapBytesMax: -1 }, ['memory.swap.max=max maybe', 'memory.max=64']],
    [{ memoryBytesMax: -1 }, ['memory.swap.max=max maybe', 'memory.max=max']],
    [{ memoryBytesMax: -1, memorySwapBytesMax: 7 }, ['memory.swap.max=7', 'memory.max=max']],
    [{ memorySwapBytesMax: 100 }, ['memory.swap.max=40'], { memoryBytesMax: 60n }],
    [{ memoryReservationBytes: 7 }, ['memory.low=7']],
    [{ memoryReservationBytes: -1 }, ['memory.low=max']],
    [{ memorySwappiness: -1, oomKillDisable: false, kernelMemoryTcpBytes: 5 }, []],
    [{ checkMemoryBeforeUpdate: true, memoryBytesMax: 64 }, ['memory.max=64'], { memoryBytesUsed: 63n }],
    [
      { checkMemoryBeforeUpdate: true, memoryBytesMax: -1 },
      ['memory.swap.max=max maybe', 'memory.max=max'],
      { memoryBytesUsed: 63n },
    ],
    [{ memoryBytesMax: 64 }, ['memory.max=64'], { memoryBytesUsed: 65n }],
    [{ cpuShares: 1024 }, ['cpu.weight=100']],
    [{ cpuIdle: 1, cpuShares: 2 }, ['cpu.idle=1', 'cpu.weight=1']],
    [{ cpuQuotaUs: 50_000 }, ['cpu.max=50000 100000']],
    [{ cpuQuotaUs: 50_000, cpuPeriodUs: 20_000 }, ['cpu.max=50000 20000']],
    [{ cpuPeriodUs: 20_000 }, ['cpu.max=max 20000']],
    [{ cpuPeriodUs: 20_000 }, ['cpu.max=777 20000'], { cpuMax: '777 100000\n' }],
    [{ cpuQuotaUs: -1 }, ['cpu.max=max 5000'], { cpuMax: '777 5000\n' }],
    [{ cpuBurstUs: 50 }, ['cpu.max.burst=50']],
    [{ cpuBurstUs: 50, cpuQuotaUs: 100 }, ['cpu.max.burst=50 later', 'cpu.max=100 100000']],
    [{ pidsMax: 50 }, ['pids.max=50']],
    [{ pidsMax: -1 }, ['pids.max=max']],
    [{ cpusetCpus: '0-1', cpusetMems: '0' }, ['cpuset.cpus=0-1', 'cpuset.mems=0']],
    [{ blockIoWeight: 500 }, ['io.weight=4950']],
    [{ blockIoWeight: 500 }, ['io.bfq.weight=500'], bfq],
    [{ blockIoWeight: 500 }, ['io.weight=4950'], { ioWeightFile: undefined }],
    [{ blockIoWeightDevices: [{ major: 8, minor: 0, weight: 10 }] }, ['io.weight=8:0 1']],
    [{ blockIoWeightDevices: [{ major: 8, minor: 0, weight: 10 }] }, ['io.bfq.weight=8:0 10'], bfq],
    [
      {
        blockIoThrottles: [
          { kind: 'read-bps', major: 8, minor: 0, rate: 1024 },
          { kind: 'write-bps', major: 8, minor: 0, rate: 0 },
          { kind: 'read-iops', major: 8, minor: 16, rate: 1 },
          { kind: 'write-iops', major: 8, minor: 16, rate: 2 },
        ],
      },
      ['io.max=8:0 rbps=1024', 'io.max=8:0 wbps=max', 'io.max=8:16 riops=1', 'io.max=8:16 wiops=2'],
    ],
    [{ hugepageBytes: { '2MB': 4 << 20 } }, ['hugetlb.2MB.max=4194304', 'hugetlb.2MB.rsvd.max=4194304 maybe']],
    [{ rdma: { mlx5_0: { hcaHandles: 3 } } }, ['rdma.max=mlx5_0 hca_handle=3']],
  ]
  for (const [limits, expected, state] of cases)
    assert.deepEqual(written(limits, state), expected, JSON.stringify(limits))
})

test('what v2 cannot do, or what makes no sense, is refused by name', () => {
  const used = { memoryBytesUsed: 100n }
  const cases: [CgroupLimits, string, Partial<V2State>?][] = [
    [{ memoryBytesMax: 64, memorySwapBytesMax: 32 }, 'memory+swap limit should be >= memory limit'],
    [{ memorySwapBytesMax: 32 }, 'unable to set swap limit without memory limit'],
    [{ memoryBytesMax: -5, memorySwapBytesMax: 32 }, 'invalid memory value: -5'],
    [{ checkMemoryBeforeUpdate: true, memoryBytesMax: 100 }, 'rejecting memory limit 100 <= usage 100', used],
    [
      { checkMemoryBeforeUpdate: true, memoryBytesMax: 10, memorySwapBytesMax: 90 },
      'rejecting memory+swap limit 90 <= usage 100',
      used,
    ],
    [{ memorySwappiness: 60 }, 'linux.resources.memory.swappiness: cannot set memory swappiness with cgroup v2'],
    [{ oomKillDisable: true }, 'linux.resources.memory.disableOOMKiller: cannot disable OOM killer with cgroup v2'],
    [{ cpuRealtimePeriodUs: 1 }, 'linux.resources.cpu.realtimePeriod: realtime period not supported on cgroup v2'],
    [{ cpuRealtimeRuntimeUs: 1 }, 'linux.resources.cpu.realtimeRuntime: realtime runtime not supported on cgroup v2'],
    [{ blockIoLeafWeight: 10 }, 'linux.resources.blockIO.leafWeight: cannot set leaf weight with cgroup v2'],
    [
      { blockIoWeightDevices: [{ major: 1, minor: 1, leafWeight: 10 }] },
      'linux.resources.blockIO.weightDevice: cannot set leaf weight with cgroup v2',
    ],
    [{ networkClassId: 1 }, 'linux.resources.network.classID: network limits not supported on cgroup v2'],
    [
      { networkPriorities: [{ name: 'lo', priority: 1 }] },
      'linux.resources.network.priorities: network limits not supported on cgroup v2',
    ],
  ]
  for (const [limits, message, state] of cases)
    assert.throws(() => written(limits, state), { message }, JSON.stringify(limits))
})

test('unified names files of the group, a setting a line', () => {
  assert.deepEqual(unifiedWrites({ unified: { 'memory.high': '100', 'io.max': '8:0 rbps=1\n8:16 rbps=2\n' } }), [
    { file: 'memory.high', value: '100' },
    { file: 'io.max', value: '8:0 rbps=1' },
    { file: 'io.max', value: '8:16 rbps=2' },
  ])
  const refused: [string, string][] = [
    ['../memory.max', 'unified resource "../memory.max" must be a file name (no slashes)'],
    ['a/b.c', 'unified resource "a/b.c" must be a file name (no slashes)'],
    ['..', 'unified resource ".." must be a file name (no slashes)'],
    ['memory', 'unified resource "memory" must be in the form CONTROLLER.PARAMETER'],
  ]
  for (const [name, message] of refused)
    assert.throws(() => unifiedWrites({ unified: { [name]: '1' } }), { code: 'invalid-argument', message })
})
