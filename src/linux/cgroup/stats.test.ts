import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nameOfHugepageSize, parseList } from './shared-stats.ts'
import { mergeBlockIo, readV1Stats } from './v1-stats.ts'
import { parseIoStat, readV2Stats } from './v2-stats.ts'

function group(t: { after(work: () => void): void }, files: Record<string, string>): string {
  const directory = mkdtempSync(join(tmpdir(), 'cgroup-'))
  t.after(() => rmSync(directory, { recursive: true }))
  mkdirSync(directory, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

test('v1 counters', (t) => {
  const directory = group(t, {
    'cpuacct.usage': '1234\n',
    'cpuacct.usage_percpu': '1000 234 \n',
    'cpuacct.usage_all': 'cpu user system\n0 600 400\n1 200 34\n',
    'cpuacct.stat': 'user 5\nsystem 7\n',
    'cpu.stat': 'nr_periods 3\nnr_throttled 2\nthrottled_time 99\nnr_bursts 1\nburst_time 8\n',
    'cpuset.cpus': '0-2,5\n',
    'cpuset.mems': '0\n',
    'cpuset.sched_relax_domain_level': '-1\n',
    'cpuset.sched_load_balance': '1\n',
    'memory.usage_in_bytes': '4096\n',
    'memory.max_usage_in_bytes': '8192\n',
    'memory.limit_in_bytes': '67108864\n',
    'memory.failcnt': '4\n',
    'memory.memsw.usage_in_bytes': '5000\n',
    'memory.memsw.limit_in_bytes': '9000\n',
    'memory.memsw.failcnt': '3\n',
    'memory.kmem.usage_in_bytes': '77\n',
    'memory.kmem.failcnt': '0\n',
    'memory.use_hierarchy': '1\n',
    'memory.stat': 'cache 10\nrss 20\ntotal_inactive_file 30\n',
    'pids.current': '2\n',
    'pids.max': 'max\n',
    'rdma.current': 'mlx4_0 hca_handle=2 hca_object=7\n',
    'rdma.max': 'mlx4_0 hca_handle=2 hca_object=max\n',
  })
  const stats = readV1Stats((controller) => (controller === 'blkio' ? undefined : directory), 1)
  assert.deepEqual(stats, {
    cpu: {
      usageNs: 1234n,
      userNs: 50_000_000n,
      systemNs: 70_000_000n,
      perCpuNs: [1000n, 234n],
      perCpuUserNs: [600n, 200n],
      perCpuSystemNs: [400n, 34n],
      periods: 3n,
      throttledPeriods: 2n,
      throttledNs: 99n,
      burstPeriods: 1n,
      burstNs: 8n,
      pressure: undefined,
    },
    cpuset: {
      cpus: [0, 1, 2, 5],
      mems: [0],
      values: {
        cpu_exclusive: 0n,
        mem_hardwall: 0n,
        mem_exclusive: 0n,
        memory_migrate: 0n,
        memory_spread_page: 0n,
        memory_spread_slab: 0n,
        memory_pressure: 0n,
        sched_load_balance: 1n,
        sched_relax_domain_level: -1n,
      },
    },
    memory: {
      usageBytes: 4096n,
      maxUsageBytes: 8192n,
      limitBytes: 67_108_864n,
      failures: 4n,
      stat: { cache: 10n, rss: 20n, total_inactive_file: 30n },
      cacheBytes: 10n,
      isHierarchical: true,
      withSwap: { usageBytes: 5000n, maxUsageBytes: undefined, limitBytes: 9000n, failures: 3n },
      swap: { usageBytes: 904n, maxUsageBytes: undefined, limitBytes: 0n, failures: 0n },
      kernel: { usageBytes: 77n, maxUsageBytes: undefined, limitBytes: 0n, failures: 0n },
      kernelTcp: undefined,
      events: {},
      pressure: undefined,
    },
    pids: { current: 2n, limit: undefined },
    blockIo: [],
    blockIoTables: {},
    blockIoPressure: undefined,
    hugepages: {},
    rdma: {
      current: [{ device: 'mlx4_0', hcaHandles: 2, hcaObjects: 7 }],
      limit: [{ device: 'mlx4_0', hcaHandles: 2, hcaObjects: 0xffff_ffff }],
    },
    misc: {},
    oomKills: 1,
  })
})

test('for a message nothing is read that it has no field for, and all else is the same', (t) => {
  const directory = group(t, {
    'cpuacct.usage': '1234\n',
    'cpuacct.usage_all': 'cpu user system\n0 600 400\n',
    'cpuset.cpus': '0-2\n',
    'memory.usage_in_bytes': '4096\n',
    'blkio.throttle.io_service_bytes': '8:0 Read 4096\n',
    'blkio.throttle.io_serviced': '8:0 Read 1\n',
    'pids.current': '2\n',
  })
  const all = readV1Stats(() => directory, 1)
  assert.deepEqual([all.blockIo.length, all.cpuset?.cpus, all.cpu.perCpuUserNs], [1, [0, 1, 2], [600n]])
  assert.deepEqual(
    readV1Stats(() => directory, 1, 'message'),
    {
      ...{ ...all, cpuset: undefined, blockIo: [] },
      cpu: { ...all.cpu, perCpuUserNs: undefined, perCpuSystemNs: undefined },
    },
  )
  const { cpuset, ...others } = readV2Stats(directory, 1)
  assert.deepEqual(cpuset?.cpus, [0, 1, 2])
  assert.deepEqual(readV2Stats(directory, 1, 'message'), { ...others, cpuset: undefined })
})

test('v2 counters, in nanoseconds', (t) => {
  const pressure = 'some avg10=1.50 avg60=2.00 avg300=0.25 total=77\nfull avg10=0.10 avg60=0.00 avg300=0.00 total=7\n'
  const directory = group(t, {
    'cpu.stat':
      'usage_usec 10\nuser_usec 6\nsystem_usec 4\nnr_periods 1\nnr_throttled 1\nthrottled_usec 3\nnr_bursts 2\nburst_usec 5\n',
    'cpu.pressure': pressure,
    'memory.pressure': pressure,
    'io.pressure': pressure,
    'memory.current': '4096\n',
    'memory.max': 'max\n',
    'memory.swap.current': '100\n',
    'memory.swap.max': '200\n',
    'memory.swap.events': 'high 0\nmax 1\nfail 6\n',
    'memory.events': 'low 0\nmax 5\noom_kill 1\n',
    'memory.stat': 'anon 1\nfile 3\ninactive_file 2\n',
    'pids.current': '2\n',
    'pids.max': '50\n',
    'io.stat': '8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:16 \n',
    'cpuset.cpus': '\n',
    'misc.current': 'sev 4\n',
    'misc.events': 'sev.max 2\n',
  })
  const stats = readV2Stats(directory, 1)
  assert.equal(stats.cpu.usageNs, 10_000n)
  assert.equal(stats.cpu.throttledNs, 3000n)
  assert.equal(stats.cpu.burstPeriods, 2n)
  assert.equal(stats.cpu.burstNs, 5000n)
  assert.deepEqual(stats.cpu.pressure, {
    some: { avg10: 1.5, avg60: 2, avg300: 0.25, totalUs: 77n },
    full: { avg10: 0.1, avg60: 0, avg300: 0, totalUs: 7n },
  })
  assert.deepEqual(stats.blockIoPressure, stats.memory?.pressure)
  assert.equal(stats.memory?.failures, 5n)
  assert.equal(stats.memory?.cacheBytes, 3n)
  assert.ok(stats.memory!.limitBytes > 2n ** 62n)
  assert.deepEqual(stats.memory?.swap, { usageBytes: 100n, maxUsageBytes: undefined, limitBytes: 200n, failures: 6n })
  assert.equal(stats.memory?.withSwap?.usageBytes, 4196n)
  assert.deepEqual(stats.pids, { current: 2n, limit: 50n })
  assert.equal(stats.blockIo.length, 3)
  assert.deepEqual(stats.blockIoTables, {
    ioServiceBytesRecursive: [
      { major: 8, minor: 0, operation: 'Read', value: 1n },
      { major: 8, minor: 0, operation: 'Write', value: 2n },
    ],
    ioServicedRecursive: [
      { major: 8, minor: 0, operation: 'Read', value: 3n },
      { major: 8, minor: 0, operation: 'Write', value: 4n },
    ],
  })
  assert.deepEqual(stats.cpuset?.cpus, [])
  assert.deepEqual(stats.misc, { sev: { usage: 4n, events: 2n } })
})

test('v2 without the controller of processes counts them by the list', (t) => {
  const directory = group(t, { 'cgroup.type': 'domain\n', 'cgroup.procs': '4\n7\n9\n' })
  assert.deepEqual(readV2Stats(directory, 0).pids, { current: 3n, limit: undefined })
})

test('v1 block I/O is told by the scheduler that counts', (t) => {
  const throttle = {
    'blkio.throttle.io_service_bytes_recursive': '8:0 Read 10\n8:0 Write 20\nTotal 30\n',
    'blkio.throttle.io_serviced_recursive': '8:0 Read 1\n8:0 Write 2\nTotal 3\n',
  }
  const bfq = {
    'blkio.bfq.io_service_bytes_recursive': '8:0 Read 5\n',
    'blkio.bfq.io_serviced_recursive': '8:0 Read 3\n',
    'blkio.bfq.sectors_recursive': '8:0 9\nTotal 9\n',
  }
  const quiet = { 'blkio.bfq.io_serviced_recursive': 'Total 0\n' }
  const tables = (files: Record<string, string>) => {
    const directory = group(t, files)
    return readV1Stats((controller) => (controller === 'blkio' ? directory : undefined), 0).blockIoTables
  }
  assert.deepEqual(tables({ ...throttle, ...quiet }).ioServicedRecursive?.length, 2)
  assert.deepEqual(tables({ ...throttle, ...bfq }), {
    ioServiceBytesRecursive: [{ major: 8, minor: 0, operation: 'Read', value: 5n }],
    ioServicedRecursive: [{ major: 8, minor: 0, operation: 'Read', value: 3n }],
    sectorsRecursive: [{ major: 8, minor: 0, operation: '', value: 9n }],
  })
  assert.deepEqual(tables({}), {})
})

test("huge page sizes have the names of the kernel's files", () => {
  const names = ['hugepages-2048kB', 'hugepages-1048576kB', 'hugepages-64kB', 'hugepages-2048MB', 'other']
  assert.deepEqual(names.flatMap(nameOfHugepageSize), ['2MB', '1GB', '64KB'])
})

test('lists of processors', () => {
  assert.deepEqual(['0', '0-3,7\n', '', '1,3'].map(parseList), [[0], [0, 1, 2, 3, 7], [], [1, 3]])
})

test('a group that is gone has zeros, not failures', () => {
  assert.equal(readV2Stats('/nowhere', 0).cpu.usageNs, 0n)
  assert.equal(readV1Stats(() => '/nowhere', 0).memory, undefined)
})

test('block I/O joins bytes and operations by device and direction', () => {
  assert.deepEqual(mergeBlockIo('8:0 Read 4096\n8:0 Write 1\nTotal 4097\n', '8:0 Read 2\nTotal 2\n'), [
    { major: 8, minor: 0, operation: 'Read', bytes: 4096n, operations: 2n },
    { major: 8, minor: 0, operation: 'Write', bytes: 1n, operations: 0n },
  ])
  assert.deepEqual(parseIoStat('259:3 wbytes=7 rbytes=9 rios=1 wios=2\n')[0], {
    major: 259,
    minor: 3,
    operation: 'Read',
    bytes: 9n,
    operations: 1n,
  })
})
