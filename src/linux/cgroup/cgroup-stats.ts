// What a control group counts, v1 and v2 in the same words.

/** One device's count of one operation: `Read`, `Write`, `Sync`, `Total`, … */
export interface BlockIoEntry {
  major: number
  minor: number
  operation: string
  value: bigint
}

export interface MemoryCounter {
  usageBytes: bigint
  /** undefined where the kernel keeps no peak. */
  maxUsageBytes: bigint | undefined
  limitBytes: bigint
  failures: bigint
}

/** Pressure stall information (Documentation/accounting/psi.rst); averages in percent, the total in microseconds. */
export interface Pressure {
  some: PressureLine
  full: PressureLine
}

export interface PressureLine {
  avg10: number
  avg60: number
  avg300: number
  totalUs: bigint
}

/** `message`: without what containerd's message has no field for. Each counter is a file. */
export type StatsScope = 'all' | 'message'

/** Counters in the kernel's units; a missing controller leaves its numbers undefined. */
export interface CgroupStats {
  cpu: {
    usageNs: bigint
    userNs: bigint
    systemNs: bigint
    perCpuNs: bigint[] | undefined
    perCpuUserNs: bigint[] | undefined
    perCpuSystemNs: bigint[] | undefined
    periods: bigint
    throttledPeriods: bigint
    throttledNs: bigint
    burstPeriods: bigint
    burstNs: bigint
    pressure: Pressure | undefined
  }
  cpuset: CpusetStats | undefined
  memory:
    | (MemoryCounter & {
        stat: Record<string, bigint>
        cacheBytes: bigint
        isHierarchical: boolean
        /** Memory and swap together, as v1 counts; undefined where swap is not accounted. */
        withSwap: MemoryCounter | undefined
        swap: MemoryCounter | undefined
        kernel: MemoryCounter | undefined
        kernelTcp: MemoryCounter | undefined
        /** v2's memory.events: low, high, max, oom, oom_kill, … */
        events: Record<string, bigint>
        pressure: Pressure | undefined
      })
    | undefined
  pids: { current: bigint; limit: bigint | undefined } | undefined
  blockIo: { major: number; minor: number; operation: string; bytes: bigint; operations: bigint }[]
  /** The same and more in runc's tables: `ioServiceBytesRecursive`, `ioServicedRecursive`, … */
  blockIoTables: Partial<Record<BlockIoTable, BlockIoEntry[]>>
  blockIoPressure: Pressure | undefined
  /** By page size, `2MB`. */
  hugepages: Record<string, { usageBytes: bigint; maxUsageBytes: bigint; failures: bigint }>
  rdma: { current: RdmaEntry[]; limit: RdmaEntry[] } | undefined
  /** v2's misc controller, by resource. */
  misc: Record<string, { usage: bigint; events: bigint }>
  oomKills: number
}

export const BLOCK_IO_TABLES = [
  'ioServiceBytesRecursive',
  'ioServicedRecursive',
  'ioQueueRecursive',
  'ioServiceTimeRecursive',
  'ioWaitTimeRecursive',
  'ioMergedRecursive',
  'ioTimeRecursive',
  'sectorsRecursive',
] as const
export type BlockIoTable = (typeof BLOCK_IO_TABLES)[number]

/** `max` is 2^32 - 1. */
export interface RdmaEntry {
  device: string
  hcaHandles: number
  hcaObjects: number
}

export interface CpusetStats {
  cpus: number[]
  mems: number[]
  /** v1's switches and numbers as their files are named, `cpu_exclusive`; 0 where a file is not there. */
  values: Record<CpusetValue, bigint>
}

export const CPUSET_VALUES = [
  'cpu_exclusive',
  'mem_hardwall',
  'mem_exclusive',
  'memory_migrate',
  'memory_spread_page',
  'memory_spread_slab',
  'memory_pressure',
  'sched_load_balance',
  'sched_relax_domain_level',
] as const
export type CpusetValue = (typeof CPUSET_VALUES)[number]
