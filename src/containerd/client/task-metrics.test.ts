// What containerd encodes of a control group, the engine reads back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cgroup, CgroupStats } from '../../linux/cgroup/cgroup.ts'
import { metricsOf } from '../tasks/metrics.ts'
import { decodeTaskMetrics } from './task-metrics.ts'

const memory: NonNullable<CgroupStats['memory']> = {
  usageBytes: 5n << 40n,
  maxUsageBytes: 7n << 40n,
  limitBytes: 9n << 40n,
  failures: 0n,
  stat: {},
  cacheBytes: 0n,
  isHierarchical: true,
  withSwap: undefined,
  swap: undefined,
  kernel: undefined,
  kernelTcp: undefined,
  events: {},
  pressure: undefined,
}

const STATS: CgroupStats = {
  cpu: {
    usageNs: 12_345_678_000n,
    userNs: 8_000_000_000n,
    systemNs: 4_345_678_000n,
    perCpuNs: undefined,
    perCpuUserNs: undefined,
    perCpuSystemNs: undefined,
    periods: 11n,
    throttledPeriods: 5n,
    throttledNs: 77_000n,
    burstPeriods: 0n,
    burstNs: 0n,
    pressure: undefined,
  },
  cpuset: undefined,
  memory,
  pids: { current: 3n, limit: 100n },
  blockIo: [
    { major: 8, minor: 1, operation: 'Read', bytes: 4096n, operations: 1n },
    { major: 8, minor: 1, operation: 'Write', bytes: 8192n, operations: 2n },
  ],
  blockIoTables: {},
  blockIoPressure: undefined,
  hugepages: { '2MB': { usageBytes: 1n, maxUsageBytes: 2n, failures: 3n } },
  rdma: undefined,
  misc: {},
  oomKills: 4,
}

const group = (version: 1 | 2, stats: CgroupStats) => ({ version, stats: () => stats }) as unknown as Cgroup

test('a v2 group’s counters survive the way', () => {
  const stat = { anon: 1n, file: 2n, kernel_stack: 3n, anon_thp: 4n, workingset_refault_anon: 5n, pgmajfault: 6n }
  const line = { avg10: 1.5, avg60: 2.5, avg300: 3.5, totalUs: 9n }
  const pressure = { some: line, full: { ...line, avg10: 0.5 } }
  const swap = { usageBytes: 1n, limitBytes: 2n, maxUsageBytes: 3n, failures: 0n }
  const events = { low: 0n, high: 1n, max: 2n, oom: 3n, oom_kill: 4n, oom_group_kill: 0n }
  const given: CgroupStats = {
    ...STATS,
    cpu: { ...STATS.cpu, burstPeriods: 6n, burstNs: 8_000n, pressure },
    memory: { ...memory, stat, swap, events, pressure },
    blockIoPressure: pressure,
  }
  const any = metricsOf(group(2, given))
  assert.equal(any.typeUrl, 'io.containerd.cgroups.v2.Metrics')
  const read = decodeTaskMetrics(any)
  assert.deepEqual(read.cpu, given.cpu)
  assert.deepEqual({ ...read.memory, stat: {}, cacheBytes: 0n }, { ...given.memory, stat: {} })
  for (const [name, value] of Object.entries(stat)) assert.equal(read.memory?.stat[name], value, name)
  assert.equal(read.memory?.cacheBytes, 2n)
  const { pids, blockIo, hugepages, oomKills, blockIoPressure } = given
  const same = { pids: read.pids, blockIo: read.blockIo, hugepages: read.hugepages, oomKills: read.oomKills }
  assert.deepEqual(
    { ...same, blockIoPressure: read.blockIoPressure },
    { pids, blockIo, hugepages, oomKills, blockIoPressure },
  )
})

test('a v1 group’s counters survive the way', () => {
  const stat = {
    cache: 1n,
    rss: 2n,
    pgpgin: 3n,
    hierarchical_memsw_limit: 4n,
    total_inactive_file: 5n,
    total_pgmajfault: 6n,
  }
  const counter = { usageBytes: 1n, limitBytes: 2n, maxUsageBytes: 3n, failures: 4n }
  const bytes = STATS.blockIo.map(({ bytes: value, operations: _, ...entry }) => ({ ...entry, value }))
  const operations = STATS.blockIo.map(({ bytes: _, operations: value, ...entry }) => ({ ...entry, value }))
  const given: CgroupStats = {
    ...STATS,
    cpu: { ...STATS.cpu, perCpuNs: [5n, 6n] },
    memory: { ...memory, failures: 8n, stat, withSwap: counter, kernel: counter, kernelTcp: counter, cacheBytes: 1n },
    blockIoTables: { ioServiceBytesRecursive: bytes, ioServicedRecursive: operations, ioQueueRecursive: bytes },
  }
  const any = metricsOf(group(1, given))
  assert.equal(any.typeUrl, 'io.containerd.cgroups.v1.Metrics')
  const read = decodeTaskMetrics(any)
  assert.deepEqual(read.cpu, given.cpu)
  assert.deepEqual({ ...read.memory, stat: {} }, { ...given.memory, stat: {} })
  for (const [name, value] of Object.entries(stat)) assert.equal(read.memory?.stat[name], value, name)
  for (const [name, table] of Object.entries(given.blockIoTables))
    assert.deepEqual(read.blockIoTables[name as 'sectorsRecursive'], table, name)
  assert.deepEqual(read.blockIo, given.blockIo)
  assert.deepEqual([read.pids, read.hugepages, read.oomKills], [given.pids, given.hugepages, given.oomKills])
})

test('no limit of processes stays none, and another type is refused', () => {
  assert.equal(
    decodeTaskMetrics(metricsOf(group(2, { ...STATS, pids: { current: 1n, limit: undefined } }))).pids?.limit,
    undefined,
  )
  assert.throws(() => decodeTaskMetrics({ typeUrl: 'io.vm.Metrics', value: new Uint8Array(0) }), {
    code: 'unimplemented',
  })
})
