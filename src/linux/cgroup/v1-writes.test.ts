import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CgroupLimits } from './cgroup.ts'
import { type V1State, writesForV1 } from './v1-writes.ts'

const STATE: V1State = {
  memorySwapBytesMax: 9_223_372_036_854_771_712n,
  cpuPeriodUs: 100_000n,
  blockIoWeightFile: 'blkio.bfq.weight',
}

const written = (limits: CgroupLimits, state: Partial<V1State> = {}) =>
  writesForV1(limits, { ...STATE, ...state }).map(({ file, value }) => `${file}=${value}`)

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

test('no memory limit means no swap limit either', () => {
  assert.deepEqual(written({ memoryBytesMax: -1 }), ['memory.memsw.limit_in_bytes=-1', 'memory.limit_in_bytes=-1'])
})

test('without swap accounting there is no file to write', () => {
  const limits = { memoryBytesMax: 64, memorySwapBytesMax: 128 }
  assert.deepEqual(
    writesForV1(limits, { ...STATE, memorySwapBytesMax: undefined }).map(({ file }) => file),
    ['memory.limit_in_bytes'],
  )
})

test('limits and the files they go to', () => {
  const cases: [CgroupLimits, string[]][] = [
    [{}, []],
    [{ cpuShares: 0, memoryBytesMax: 0, cpuQuotaUs: 0, blockIoWeight: 0 }, []],
    [{ cpuShares: 512 }, ['cpu.shares=512']],
    [{ cpuQuotaUs: 50_000, cpuPeriodUs: 200_000 }, ['cpu.cfs_period_us=200000', 'cpu.cfs_quota_us=50000']],
    [{ cpuQuotaUs: 5_000, cpuPeriodUs: 10_000 }, ['cpu.cfs_quota_us=5000', 'cpu.cfs_period_us=10000']],
    [{ cpuQuotaUs: -1 }, ['cpu.cfs_quota_us=-1']],
    [{ cpusetCpus: '0-1', cpusetMems: '0' }, ['cpuset.cpus=0-1', 'cpuset.mems=0']],
    [{ cpusetCpus: '' }, []],
    [{ pidsMax: 50 }, ['pids.max=50']],
    [{ pidsMax: -1 }, ['pids.max=max']],
    [{ pidsMax: 0 }, ['pids.max=max']],
    [{ blockIoWeight: 300 }, ['blkio.bfq.weight=300']],
    [{ memoryReservationBytes: 7 }, ['memory.soft_limit_in_bytes=7']],
    [{ memorySwappiness: 0 }, ['memory.swappiness=0']],
    [{ memorySwappiness: -1 }, []],
    [{ oomKillDisable: true }, ['memory.oom_control=1']],
    [{ oomKillDisable: false }, []],
  ]
  for (const [limits, expected] of cases) assert.deepEqual(written(limits), expected)
})

test('a swappiness out of range is refused', () => {
  assert.throws(() => written({ memorySwappiness: 101 }), { code: 'invalid-argument' })
})

test('device rules are written in their order', () => {
  const any = { major: undefined, minor: undefined }
  assert.deepEqual(
    written({
      devices: [
        { allow: false, type: 'a', ...any, access: 'rwm' },
        { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
        { allow: true, type: 'b', ...any, access: 'm' },
        { allow: false, type: 'c', major: 10, minor: 229, access: 'rwm' },
      ],
    }),
    ['devices.deny=a', 'devices.allow=c 1:3 rwm', 'devices.allow=b *:* m', 'devices.deny=c 10:229 rwm'],
  )
})
