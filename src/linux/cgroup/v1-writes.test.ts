import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CgroupLimits } from './cgroup.ts'
import { type V1State, writesForV1 } from './v1-writes.ts'

const STATE: V1State = {
  memorySwapBytesMax: 9_223_372_036_854_771_712n,
  blockIoWeightFile: 'blkio.bfq.weight',
  devices: undefined,
}

const written = (limits: CgroupLimits, state: Partial<V1State> = {}) =>
  writesForV1(limits, { ...STATE, ...state }).map(
    ({ file, value, deferrable, optional }) =>
      `${file}=${value}${deferrable ? ' later' : ''}${optional ? ' maybe' : ''}`,
  )

test('a fresh group gets the memory limit before memory and swap together', () => {
  assert.deepEqual(written({ memoryBytesMax: 64, memorySwapBytesMax: 128 }), [
    'memory.limit_in_bytes=64',
    'memory.memsw.limit_in_bytes=128',
  ])
})

test('growing beyond the current swap limit sets that first', () => {
  assert.deepEqual(written({ memoryBytesMax: 200, memorySwapBytesMax: 400 }, { memorySwapBytesMax: 128n }), [
    'memory.memsw.limit_in_bytes=400',
    'memory.limit_in_bytes=200',
  ])
})

test('no memory limit means no swap limit either, where swap is accounted', () => {
  assert.deepEqual(written({ memoryBytesMax: -1 }), ['memory.memsw.limit_in_bytes=-1', 'memory.limit_in_bytes=-1'])
  assert.deepEqual(written({ memoryBytesMax: -1 }, { memorySwapBytesMax: undefined }), ['memory.limit_in_bytes=-1'])
})

test('limits and the files they go to', () => {
  const cases: [CgroupLimits, string[]][] = [
    [{}, []],
    [
      { cpuShares: 0, memoryBytesMax: 0, cpuQuotaUs: 0, blockIoWeight: 0, networkClassId: 0, kernelMemoryTcpBytes: 0 },
      [],
    ],
    [{ memoryReservationBytes: 7 }, ['memory.soft_limit_in_bytes=7']],
    [{ memorySwappiness: 0 }, ['memory.swappiness=0']],
    [{ memorySwappiness: -1 }, []],
    [{ oomKillDisable: true }, ['memory.oom_control=1']],
    [{ oomKillDisable: false }, []],
    [{ kernelMemoryTcpBytes: 9 }, ['memory.kmem.tcp.limit_in_bytes=9 maybe']],
    [{ memoryBytesMax: 1e21 }, ['memory.limit_in_bytes=1000000000000000000000']],
    [{ cpuShares: 512 }, ['cpu.shares=512']],
    [{ cpuQuotaUs: 50_000, cpuPeriodUs: 200_000 }, ['cpu.cfs_period_us=200000 later', 'cpu.cfs_quota_us=50000']],
    [{ cpuPeriodUs: 200_000 }, ['cpu.cfs_period_us=200000']],
    [{ cpuQuotaUs: -1 }, ['cpu.cfs_quota_us=-1']],
    [{ cpuBurstUs: 0 }, ['cpu.cfs_burst_us=0']],
    [{ cpuBurstUs: 9, cpuQuotaUs: 10 }, ['cpu.cfs_burst_us=9 later', 'cpu.cfs_quota_us=10']],
    [{ cpuIdle: 1 }, ['cpu.idle=1']],
    [{ cpuIdle: 0 }, ['cpu.idle=0']],
    [
      { cpuRealtimePeriodUs: 1000, cpuRealtimeRuntimeUs: 900 },
      ['cpu.rt_period_us=1000 later', 'cpu.rt_runtime_us=900'],
    ],
    [{ cpuRealtimeRuntimeUs: 900 }, ['cpu.rt_runtime_us=900']],
    [{ cpusetCpus: '0-1', cpusetMems: '0' }, ['cpuset.cpus=0-1', 'cpuset.mems=0']],
    [{ cpusetCpus: '' }, []],
    [{ pidsMax: 50 }, ['pids.max=50']],
    [{ pidsMax: -1 }, ['pids.max=max']],
    [{ pidsMax: 0 }, ['pids.max=max']],
    [{ blockIoWeight: 300 }, ['blkio.bfq.weight=300']],
    [{ blockIoLeafWeight: 300 }, ['blkio.leaf_weight=300']],
    [
      {
        blockIoWeightDevices: [
          { major: 8, minor: 0, weight: 500, leafWeight: 300 },
          { major: 8, minor: 1 },
        ],
      },
      ['blkio.bfq.weight_device=8:0 500', 'blkio.leaf_weight_device=8:0 300'],
    ],
    [
      {
        blockIoThrottles: [
          { kind: 'read-bps', major: 8, minor: 0, rate: 1024 },
          { kind: 'write-bps', major: 8, minor: 0, rate: 0 },
          { kind: 'read-iops', major: 8, minor: 16, rate: 1 },
          { kind: 'write-iops', major: 8, minor: 16, rate: 2 },
        ],
      },
      [
        'blkio.throttle.read_bps_device=8:0 1024',
        'blkio.throttle.write_bps_device=8:0 0',
        'blkio.throttle.read_iops_device=8:16 1',
        'blkio.throttle.write_iops_device=8:16 2',
      ],
    ],
    [
      { hugepageBytes: { '2MB': 0, '1GB': 1 << 30 } },
      [
        'hugetlb.2MB.limit_in_bytes=0',
        'hugetlb.2MB.rsvd.limit_in_bytes=0 maybe',
        'hugetlb.1GB.limit_in_bytes=1073741824',
        'hugetlb.1GB.rsvd.limit_in_bytes=1073741824 maybe',
      ],
    ],
    [{ networkClassId: 0x100001 }, ['net_cls.classid=1048577']],
    [{ networkPriorities: [{ name: 'eth0', priority: 5 }] }, ['net_prio.ifpriomap=eth0 5']],
    [
      { rdma: { mlx5_0: { hcaHandles: 3, hcaObjects: 10 }, rxe3: { hcaObjects: 20 } } },
      ['rdma.max=mlx5_0 hca_handle=3 hca_object=10', 'rdma.max=rxe3 hca_object=20'],
    ],
    [{ unified: {} }, []],
    [{ checkMemoryBeforeUpdate: true, memoryBytesMax: 5 }, ['memory.limit_in_bytes=5']], // the kernel checks by itself
  ]
  for (const [limits, expected] of cases) assert.deepEqual(written(limits), expected, JSON.stringify(limits))
})

test('a weight goes to the file that the scheduler has', () => {
  assert.deepEqual(written({ blockIoWeight: 300 }, { blockIoWeightFile: 'blkio.weight' }), ['blkio.weight=300'])
  assert.deepEqual(
    written({ blockIoWeightDevices: [{ major: 8, minor: 0, weight: 1 }] }, { blockIoWeightFile: undefined }),
    ['blkio.weight_device=8:0 1'],
  )
})

test('what the kernel would take for something else is refused', () => {
  const cases: [CgroupLimits, RegExp][] = [
    [{ memorySwappiness: 101 }, /^invalid memory swappiness value: 101 \(valid range is 0-100\)$/],
    [{ cpuShares: 1 }, /^the minimum allowed cpu-shares is 2$/],
    [{ cpuShares: 300_000 }, /^the maximum allowed cpu-shares is 262144$/],
    [{ unified: { 'memory.high': '1' } }, /^invalid configuration: cannot use unified on cgroup v1$/],
  ]
  for (const [limits, message] of cases)
    assert.throws(() => written(limits), { code: 'invalid-argument', message }, JSON.stringify(limits))
})

type Rules = NonNullable<CgroupLimits['devices']>
const any = { major: undefined, minor: undefined }
const DENY_ALL = { allow: false, type: 'a', ...any, access: 'rwm' } as const

test('device rules are written in their order', () => {
  const devices: Rules = [
    DENY_ALL,
    { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
    { allow: true, type: 'b', ...any, access: 'm' },
    { allow: false, type: 'c', major: 10, minor: 229, access: 'rwm' },
  ]
  const all = ['devices.deny=a', 'devices.allow=c 1:3 rwm', 'devices.allow=b *:* m', 'devices.deny=c 10:229 rwm']
  assert.deepEqual(written({ devices }), all)
  assert.deepEqual(written({ devices }, { devices: 'a *:* rwm\n' }), all)
})

test('one list of allowances becomes another by its differences, so that nothing is denied in between', () => {
  const devices: Rules = [
    DENY_ALL,
    { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
    { allow: true, type: 'c', major: 1, minor: 5, access: 'rw' },
    { allow: true, type: 'c', major: 136, minor: undefined, access: 'rwm' },
  ]
  const now = 'c 1:3 rwm\nc 1:5 rm\nb 8:0 rw\nc 136:* rwm\n'
  assert.deepEqual(written({ devices }, { devices: now }), [
    'devices.allow=c 1:5 w',
    'devices.deny=c 1:5 m',
    'devices.deny=b 8:0 rw',
  ])
  assert.deepEqual(written({ devices }, { devices: 'c 1:3 rwm\nc 1:5 rw\nc 136:* rwm\n' }), [])
  assert.deepEqual(written({ devices: [{ ...DENY_ALL, allow: true }] }, { devices: now }), ['devices.allow=a'])
})
