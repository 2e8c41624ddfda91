// The counters of a v1 group (Documentation/admin-guide/cgroup-v1).
import {
  type BlockIoEntry,
  type BlockIoTable,
  CPUSET_VALUES,
  type CgroupStats,
  type CpusetStats,
  type CpusetValue,
  type MemoryCounter,
  type StatsScope,
} from './cgroup-stats.ts'
import { listGroupFiles, readGroupFile, readNumber, readPairs } from './group-files.ts'
import { hugepageSizes, parseList, readRdma } from './shared-stats.ts'

/** cpuacct.stat counts in USER_HZ, which is 100 on every architecture we run on. */
const TICK_NS = 10_000_000n

export function readV1Stats(
  directoryOf: (controller: string) => string | undefined,
  oomKills: number,
  scope: StatsScope = 'all',
): CgroupStats {
  const isAll = scope === 'all'
  const blkio = directoryOf('blkio')
  const tables = blkio === undefined ? {} : readBlockIoTables(blkio)
  return {
    cpu: readCpu(directoryOf('cpuacct'), directoryOf('cpu'), isAll),
    cpuset: isAll ? readCpuset(directoryOf('cpuset')) : undefined,
    memory: readMemory(directoryOf('memory')),
    pids: readPids(directoryOf('pids')),
    blockIo: blkio === undefined || !isAll ? [] : readBlockIo(blkio),
    blockIoTables: tables,
    blockIoPressure: undefined,
    hugepages: readHugepages(directoryOf('hugetlb')),
    rdma: readRdma(directoryOf('rdma')),
    misc: {},
    oomKills,
  }
}

function readCpu(cpuacct: string | undefined, cpu: string | undefined, withModes: boolean): CgroupStats['cpu'] {
  const ticks = cpuacct === undefined ? {} : readPairs(cpuacct, 'cpuacct.stat')
  const throttling = cpu === undefined ? {} : readPairs(cpu, 'cpu.stat')
  const perCpu = cpuacct === undefined ? undefined : readGroupFile(cpuacct, 'cpuacct.usage_percpu')
  const byMode =
    cpuacct === undefined || !withModes ? undefined : parseUsageAll(readGroupFile(cpuacct, 'cpuacct.usage_all'))
  return {
    usageNs: (cpuacct === undefined ? undefined : readNumber(cpuacct, 'cpuacct.usage')) ?? 0n,
    userNs: (ticks['user'] ?? 0n) * TICK_NS,
    systemNs: (ticks['system'] ?? 0n) * TICK_NS,
    perCpuNs: perCpu?.trim().split(/\s+/).filter(Boolean).map(BigInt),
    perCpuUserNs: byMode?.map(([user]) => user),
    perCpuSystemNs: byMode?.map(([, system]) => system),
    periods: throttling['nr_periods'] ?? 0n,
    throttledPeriods: throttling['nr_throttled'] ?? 0n,
    throttledNs: throttling['throttled_time'] ?? 0n,
    burstPeriods: throttling['nr_bursts'] ?? 0n,
    burstNs: throttling['burst_time'] ?? 0n,
    pressure: undefined,
  }
}

/** `cpu user system`, then a line a processor. */
function parseUsageAll(text: string | undefined): (readonly [user: bigint, system: bigint])[] | undefined {
  if (!text?.startsWith('cpu user system')) return undefined
  return [...text.matchAll(/^\d+ (\d+) (\d+)/gm)].map(([, user, system]) => [BigInt(user!), BigInt(system!)] as const)
}

function readCpuset(directory: string | undefined): CpusetStats | undefined {
  const cpus = directory === undefined ? undefined : readGroupFile(directory, 'cpuset.cpus')
  if (directory === undefined || cpus === undefined) return undefined
  const value = (name: CpusetValue) => [name, readNumber(directory, `cpuset.${name}`) ?? 0n] as const
  return {
    cpus: parseList(cpus),
    mems: parseList(readGroupFile(directory, 'cpuset.mems') ?? ''),
    values: Object.fromEntries(CPUSET_VALUES.map(value)) as Record<CpusetValue, bigint>,
  }
}

function readMemory(directory: string | undefined): CgroupStats['memory'] {
  if (directory === undefined) return undefined
  const own = readMemoryCounter(directory, '')
  if (own === undefined) return undefined
  const stat = readPairs(directory, 'memory.stat')
  const withSwap = readMemoryCounter(directory, 'memsw.')
  return {
    ...own,
    stat,
    cacheBytes: stat['cache'] ?? 0n,
    isHierarchical: readNumber(directory, 'memory.use_hierarchy') === 1n,
    withSwap,
    swap: withSwap && {
      usageBytes: positive(withSwap.usageBytes - own.usageBytes),
      maxUsageBytes: undefined,
      limitBytes: 0n,
      failures: positive(withSwap.failures - own.failures),
    },
    kernel: readMemoryCounter(directory, 'kmem.'),
    kernelTcp: readMemoryCounter(directory, 'kmem.tcp.'),
    events: {},
    pressure: undefined,
  }
}

/** The two were not read at one instant. */
function positive(difference: bigint): bigint {
  return difference < 0n ? 0n : difference
}

function readMemoryCounter(directory: string, part: string): MemoryCounter | undefined {
  const usageBytes = readNumber(directory, `memory.${part}usage_in_bytes`)
  if (usageBytes === undefined) return undefined
  return {
    usageBytes,
    maxUsageBytes: readNumber(directory, `memory.${part}max_usage_in_bytes`),
    limitBytes: readNumber(directory, `memory.${part}limit_in_bytes`) ?? 0n,
    failures: readNumber(directory, `memory.${part}failcnt`) ?? 0n,
  }
}

export function readPids(directory: string | undefined): CgroupStats['pids'] {
  const current = directory === undefined ? undefined : readNumber(directory, 'pids.current')
  if (directory === undefined || current === undefined) return undefined
  return { current, limit: readNumber(directory, 'pids.max') }
}

function readHugepages(directory: string | undefined): CgroupStats['hugepages'] {
  if (directory === undefined) return {}
  return Object.fromEntries(
    hugepageSizes().flatMap((size) => {
      // Reservations where they are counted: they are what a limit acts on.
      for (const prefix of [`hugetlb.${size}.rsvd`, `hugetlb.${size}`]) {
        const usageBytes = readNumber(directory, `${prefix}.usage_in_bytes`)
        if (usageBytes === undefined) continue
        const maxUsageBytes = readNumber(directory, `${prefix}.max_usage_in_bytes`) ?? 0n
        return [[size, { usageBytes, maxUsageBytes, failures: readNumber(directory, `${prefix}.failcnt`) ?? 0n }]]
      }
      return []
    }),
  )
}

/** Bytes and operations come from two files with the same lines: `8:0 Read 4096`. */
function readBlockIo(directory: string): CgroupStats['blockIo'] {
  const read = (file: string) =>
    readGroupFile(directory, `blkio.throttle.${file}_recursive`) ??
    readGroupFile(directory, `blkio.throttle.${file}`) ??
    ''
  return mergeBlockIo(read('io_service_bytes'), read('io_serviced'))
}

export function mergeBlockIo(bytesText: string, operationsText: string): CgroupStats['blockIo'] {
  const keyOf = ({ major, minor, operation }: BlockIoEntry) => `${major}:${minor} ${operation}`
  const operations = new Map(parseBlockIo(operationsText).map((entry) => [keyOf(entry), entry.value]))
  return parseBlockIo(bytesText)
    .filter(({ operation }) => operation !== '')
    .map((entry) => ({
      major: entry.major,
      minor: entry.minor,
      operation: entry.operation,
      bytes: entry.value,
      operations: operations.get(keyOf(entry)) ?? 0n,
    }))
}

/** By the scheduler that counts: bfq, cfq of older kernels, and what the throttle counts under any. The first with numbers is told. */
const TABLE_FILES: readonly (readonly [table: BlockIoTable, file: string])[][] = [
  [
    ['sectorsRecursive', 'blkio.bfq.sectors_recursive'],
    ['ioServiceBytesRecursive', 'blkio.bfq.io_service_bytes_recursive'],
    ['ioServicedRecursive', 'blkio.bfq.io_serviced_recursive'],
    ['ioQueueRecursive', 'blkio.bfq.io_queued_recursive'],
    ['ioServiceTimeRecursive', 'blkio.bfq.io_service_time_recursive'],
    ['ioWaitTimeRecursive', 'blkio.bfq.io_wait_time_recursive'],
    ['ioMergedRecursive', 'blkio.bfq.io_merged_recursive'],
    ['ioTimeRecursive', 'blkio.bfq.time_recursive'],
  ],
  [
    ['sectorsRecursive', 'blkio.sectors_recursive'],
    ['ioServiceBytesRecursive', 'blkio.io_service_bytes_recursive'],
    ['ioServicedRecursive', 'blkio.io_serviced_recursive'],
    ['ioQueueRecursive', 'blkio.io_queued_recursive'],
    ['ioServiceTimeRecursive', 'blkio.io_service_time_recursive'],
    ['ioWaitTimeRecursive', 'blkio.io_wait_time_recursive'],
    ['ioMergedRecursive', 'blkio.io_merged_recursive'],
    ['ioTimeRecursive', 'blkio.time_recursive'],
  ],
  [
    ['ioServiceBytesRecursive', 'blkio.throttle.io_service_bytes_recursive'],
    ['ioServicedRecursive', 'blkio.throttle.io_serviced_recursive'],
  ],
  [
    ['ioServiceBytesRecursive', 'blkio.throttle.io_service_bytes'],
    ['ioServicedRecursive', 'blkio.throttle.io_serviced'],
  ],
]

/** A kernel has few of these files, and to fail at one costs more than to read it. */
function readBlockIoTables(directory: string): CgroupStats['blockIoTables'] {
  const there = new Set(listGroupFiles(directory))
  for (const files of TABLE_FILES) {
    const tables = files
      .filter(([, file]) => there.has(file))
      .map(([table, file]) => [table, parseBlockIo(readGroupFile(directory, file) ?? '')] as const)
    if (tables.some(([table, entries]) => table === 'ioServicedRecursive' && entries.length > 0))
      return Object.fromEntries(tables.filter(([, entries]) => entries.length > 0))
  }
  return {}
}

/** `8:0 Read 4096`, or `8:0 4096` where there is but one operation; totals over all devices are left out. */
function parseBlockIo(text: string): BlockIoEntry[] {
  return [...text.matchAll(/^(\d+):(\d+)(?: ([A-Za-z]+))? (\d+)$/gm)].map(
    ([, major, minor, operation = '', value]) => ({
      major: Number(major),
      minor: Number(minor),
      operation,
      value: BigInt(value!),
    }),
  )
}
