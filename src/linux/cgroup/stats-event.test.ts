import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CgroupStats } from './cgroup-stats.ts'
import { formatStatsEvent } from './stats-event.ts'

const EMPTY: CgroupStats = {
  cpu: {
    usageNs: 0n,
    userNs: 0n,
    systemNs: 0n,
    perCpuNs: undefined,
    perCpuUserNs: undefined,
    perCpuSystemNs: undefined,
    periods: 0n,
    throttledPeriods: 0n,
    throttledNs: 0n,
    burstPeriods: 0n,
    burstNs: 0n,
    pressure: undefined,
  },
  cpuset: undefined,
  memory: undefined,
  pids: undefined,
  blockIo: [],
  blockIoTables: {},
  blockIoPressure: undefined,
  hugepages: {},
  rdma: undefined,
  misc: {},
  oomKills: 0,
}

const line = { avg10: 0.5, avg60: 0, avg300: 0, totalUs: 7n }

test('nothing counted is what runc prints for a group without controllers', () => {
  assert.equal(
    formatStatsEvent({ id: 'a', version: 1, stats: EMPTY }),
    '{"type":"stats","id":"a","data":{"cpu":{"usage":{"kernel":0,"user":0},"throttling":{}},' +
      '"cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,' +
      '"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},' +
      '"memory":{"usage":{"limit":0,"failcnt":0},"swap":{"limit":0,"failcnt":0},"kernel":{"limit":0,"failcnt":0},' +
      '"kernelTCP":{"limit":0,"failcnt":0}},"pids":{},"blkio":{},"hugetlb":{},"intel_rdt":{},"network_interfaces":null}}',
  )
})

test('64-bit numbers keep all their digits, tables have runc names, and no limit of v2 is the largest number', () => {
  const unlimited = 9_223_372_036_854_771_712n
  const counter = { usageBytes: 5n, maxUsageBytes: 9n, limitBytes: unlimited, failures: 3n }
  const stats: CgroupStats = {
    ...EMPTY,
    cpu: { ...EMPTY.cpu, usageNs: 18_014_398_509_481_985n, perCpuNs: [1n, 2n], pressure: { some: line, full: line } },
    memory: {
      ...counter,
      stat: { file: 1n, anon: 2n },
      cacheBytes: 1n,
      isHierarchical: true,
      withSwap: { ...counter, maxUsageBytes: undefined },
      swap: counter,
      kernel: undefined,
      kernelTcp: undefined,
      events: {},
      pressure: undefined,
    },
    pids: { current: 4n, limit: undefined },
    blockIoTables: { ioServicedRecursive: [{ major: 8, minor: 0, operation: 'Read', value: 2n }] },
    hugepages: { '2MB': { usageBytes: 0n, maxUsageBytes: 6n, failures: 1n } },
  }
  const one = {
    name: 'eth0',
    receivedBytes: 1n,
    receivedPackets: 2n,
    receiveErrors: 3n,
    receiveDropped: 4n,
    sentBytes: 5n,
    sentPackets: 6n,
    sendErrors: 7n,
    sendDropped: 8n,
  }
  const text = formatStatsEvent({ id: 'a"b', version: 2, stats, intelRdt: { l3_cache_schema: 'x' }, interfaces: [one] })
  assert.match(text, /"id":"a\\"b"/)
  assert.match(text, /"total":18014398509481985,"percpu":\[1,2\]/)
  assert.match(text, /"psi":\{"some":\{"avg10":0\.5,"avg60":0,"avg300":0,"total":7\},"full"/)
  assert.match(text, /"memory":\{"cache":1,"usage":\{"limit":18446744073709551615,"usage":5,"max":9,"failcnt":0\}/)
  assert.match(text, /"swap":\{"limit":18446744073709551615,"usage":5,"failcnt":3\}/)
  assert.match(text, /"raw":\{"anon":2,"file":1\}/)
  assert.match(text, /"pids":\{"current":4\}/)
  assert.match(text, /"blkio":\{"ioServicedRecursive":\[\{"major":8,"op":"Read","value":2\}\]\}/)
  assert.match(text, /"hugetlb":\{"2MB":\{"max":6,"failcnt":1\}\},"intel_rdt":\{"l3_cache_schema":"x"\}/)
  assert.match(text, /"network_interfaces":\[\{"Name":"eth0","RxBytes":1,"RxPackets":2,.*"TxDropped":8\}\]/)
})
