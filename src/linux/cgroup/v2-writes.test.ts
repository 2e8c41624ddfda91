import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CgroupLimits } from './cgroup.ts'
import { type V2State, weightOfBlockIo, weightOfShares, writesForV2 } from './v2-writes.ts'

const STATE: V2State = { memoryBytesMax: undefined, cpuMax: 'max 100000\n', ioWeightFile: 'io.weight' }

const written = (limits: CgroupLimits, state: Partial<V2State> = {}) =>
  writesForV2(limits, { ...STATE, ...state }).map(({ file, value }) => `${file}=${value}`)

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
  const cases: [CgroupLimits, string[], Partial<V2State>?][] = [
    [{}, []],
    [{ memoryBytesMax: 64, memorySwapBytesMax: 128 }, ['memory.swap.max=64', 'memory.max=64']],
    [{ memoryBytesMax: 64, memorySwapBytesMax: 64 }, ['memory.swap.max=0', 'memory.max=64']],
    [{ memoryBytesMax: 64, memorySwapBytesMax: -1 }, ['memory.swap.max=max', 'memory.max=64']],
    [{ memoryBytesMax: -1 }, ['memory.swap.max=max', 'memory.max=max']],
    [{ memorySwapBytesMax: 100 }, ['memory.swap.max=40'], { memoryBytesMax: 60n }],
    [{ memoryReservationBytes: 7 }, ['memory.low=7']],
    [{ memorySwappiness: 50, oomKillDisable: true }, []],
    [{ cpuShares: 1024 }, ['cpu.weight=100']],
    [{ cpuQuotaUs: 50_000 }, ['cpu.max=50000 100000']],
    [{ cpuQuotaUs: 50_000, cpuPeriodUs: 20_000 }, ['cpu.max=50000 20000']],
    [{ cpuPeriodUs: 20_000 }, ['cpu.max=max 20000']],
    [{ cpuPeriodUs: 20_000 }, ['cpu.max=777 20000'], { cpuMax: '777 100000\n' }],
    [{ cpuQuotaUs: -1 }, ['cpu.max=max 5000'], { cpuMax: '777 5000\n' }],
    [{ pidsMax: 50 }, ['pids.max=50']],
    [{ pidsMax: -1 }, ['pids.max=max']],
    [{ cpusetCpus: '0-1', cpusetMems: '0' }, ['cpuset.cpus=0-1', 'cpuset.mems=0']],
    [{ blockIoWeight: 500 }, ['io.weight=4950']],
    [{ blockIoWeight: 500 }, ['io.bfq.weight=500'], { ioWeightFile: 'io.bfq.weight' }],
    [{ blockIoWeight: 500 }, [], { ioWeightFile: undefined }],
  ]
  for (const [limits, expected, state] of cases)
    assert.deepEqual(written(limits, state), expected, JSON.stringify(limits))
})

test('a swap limit below the memory limit, or without one, is refused', () => {
  assert.throws(() => written({ memoryBytesMax: 64, memorySwapBytesMax: 32 }), { code: 'invalid-argument' })
  assert.throws(() => written({ memorySwapBytesMax: 32 }), { code: 'invalid-argument' })
})
