// The counters of a v2 group (Documentation/admin-guide/cgroup-v2.rst).
import type { BlockIoEntry, CgroupStats, MemoryCounter, StatsScope } from './cgroup-stats.ts'
import { pidsIn, readGroupFile, readNumber, readPairs } from './group-files.ts'
import { hugepageSizes, parseList, readPressure, readRdma } from './shared-stats.ts'
import { readPids } from './v1-stats.ts'

export function readV2Stats(directory: string, oomKills: number, scope: StatsScope = 'all'): CgroupStats {
  const cpu = readPairs(directory, 'cpu.stat')
  const us = (key: string) => (cpu[key] ?? 0n) * 1000n
  const blockIo = parseIoStat(readGroupFile(directory, 'io.stat') ?? '')
  return {
    cpu: {
      usageNs: us('usage_usec'),
      userNs: us('user_usec'),
      systemNs: us('system_usec'),
      perCpuNs: undefined,
      perCpuUserNs: undefined,
      perCpuSystemNs: undefined,
      periods: cpu['nr_periods'] ?? 0n,
      throttledPeriods: cpu['nr_throttled'] ?? 0n,
      throttledNs: us('throttled_usec'),
      burstPeriods: cpu['nr_bursts'] ?? 0n,
      burstNs: us('burst_usec'),
      pressure: readPressure(directory, 'cpu.pressure'),
    },
    cpuset: scope === 'all' ? readCpuset(directory) : undefined,
    memory: readMemory(directory),
    pids: readPids(directory) ?? countPids(directory),
    blockIo,
    blockIoTables: {
      ioServiceBytesRecursive: tableOf(blockIo, 'bytes'),
      ioServicedRecursive: tableOf(blockIo, 'operations'),
    },
    blockIoPressure: readPressure(directory, 'io.pressure'),
    hugepages: readHugepages(directory),
    rdma: readRdma(directory),
    misc: readMisc(directory),
    oomKills,
  }
}

/** Without the controller there is still the list. */
function countPids(directory: string): CgroupStats['pids'] {
  if (readGroupFile(directory, 'cgroup.type') === undefined) return undefined
  return { current: BigInt(pidsIn(directory).length), limit: undefined }
}

function readCpuset(directory: string): CgroupStats['cpuset'] {
  const cpus = readGroupFile(directory, 'cpuset.cpus')
  if (cpus === undefined) return undefined
  return {
    cpus: parseList(cpus),
    mems: parseList(readGroupFile(directory, 'cpuset.mems') ?? ''),
    values: {
      cpu_exclusive: 0n,
      mem_hardwall: 0n,
      mem_exclusive: 0n,
      memory_migrate: 0n,
      memory_spread_page: 0n,
      memory_spread_slab: 0n,
      memory_pressure: 0n,
      sched_load_balance: 0n,
      sched_relax_domain_level: 0n,
    },
  }
}

function readMemory(directory: string): CgroupStats['memory'] {
  const own = readCounter(directory, 'memory')
  if (own === undefined) return undefined
  const swap = readCounter(directory, 'memory.swap')
  const stat = readPairs(directory, 'memory.stat')
  const events = readPairs(directory, 'memory.events')
  return {
    ...own,
    failures: events['max'] ?? 0n,
    stat,
    cacheBytes: stat['file'] ?? 0n,
    isHierarchical: true,
    withSwap: swap && {
      usageBytes: own.usageBytes + swap.usageBytes,
      maxUsageBytes: undefined, // the two peaks need not have been at one time
      limitBytes: swap.limitBytes === UNLIMITED ? UNLIMITED : own.limitBytes + swap.limitBytes,
      failures: 0n,
    },
    swap: swap && { ...swap, failures: readPairs(directory, 'memory.swap.events')['fail'] ?? 0n },
    kernel: undefined,
    kernelTcp: undefined,
    events,
    pressure: readPressure(directory, 'memory.pressure'),
  }
}

function readCounter(directory: string, name: string): MemoryCounter | undefined {
  const usageBytes = readNumber(directory, `${name}.current`)
  if (usageBytes === undefined) return undefined
  return {
    usageBytes,
    maxUsageBytes: readNumber(directory, `${name}.peak`),
    limitBytes: readNumber(directory, `${name}.max`) ?? UNLIMITED,
    failures: 0n,
  }
}

/** What v1 says for no limit; whoever shows it compares it with the machine's memory. */
const UNLIMITED = 9_223_372_036_854_771_712n

function readHugepages(directory: string): CgroupStats['hugepages'] {
  return Object.fromEntries(
    hugepageSizes().flatMap((size) => {
      const usageBytes =
        readNumber(directory, `hugetlb.${size}.rsvd.current`) ?? readNumber(directory, `hugetlb.${size}.current`)
      if (usageBytes === undefined) return []
      const failures = readPairs(directory, `hugetlb.${size}.events`)['max'] ?? 0n
      return [[size, { usageBytes, maxUsageBytes: 0n, failures }]]
    }),
  )
}

function readMisc(directory: string): CgroupStats['misc'] {
  const events = readPairs(directory, 'misc.events')
  return Object.fromEntries(
    Object.entries(readPairs(directory, 'misc.current')).map(([name, usage]) => [
      name,
      { usage, events: events[`${name}.max`] ?? 0n },
    ]),
  )
}

/** `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6` */
export function parseIoStat(text: string): CgroupStats['blockIo'] {
  return text.split('\n').flatMap((line) => {
    const device = /^(\d+):(\d+) (.+)$/.exec(line)
    if (device === null) return []
    const value = (key: string) => BigInt(new RegExp(`\\b${key}=(\\d+)`).exec(device[3]!)?.[1] ?? 0)
    const row = (operation: string, letter: string) => ({
      major: Number(device[1]),
      minor: Number(device[2]),
      operation,
      bytes: value(`${letter}bytes`),
      operations: value(`${letter}ios`),
    })
    return [row('Read', 'r'), row('Write', 'w'), row('Discard', 'd')]
  })
}

/** runc knows two operations. */
function tableOf(rows: CgroupStats['blockIo'], column: 'bytes' | 'operations'): BlockIoEntry[] {
  return rows
    .filter(({ operation }) => operation !== 'Discard')
    .map((row) => ({ major: row.major, minor: row.minor, operation: row.operation, value: row[column] }))
}
