// A line of `runc events`: the counters under the names and with the omissions of runc's encoder, since programs read it. Pure.
import {
  type BlockIoEntry,
  type CgroupStats,
  CPUSET_VALUES,
  type MemoryCounter,
  type Pressure,
} from './cgroup-stats.ts'

/** What JSON.stringify takes, and 64-bit numbers. */
type Json = string | number | boolean | null | bigint | readonly Json[] | { readonly [key: string]: Json | undefined }

export interface InterfaceCounters {
  name: string
  receivedBytes: bigint
  receivedPackets: bigint
  receiveErrors: bigint
  receiveDropped: bigint
  sentBytes: bigint
  sentPackets: bigint
  sendErrors: bigint
  sendDropped: bigint
}

interface StatsEvent {
  id: string
  version: 1 | 2
  stats: CgroupStats
  /** intel_rdt's fields, where the container has such a group. */
  intelRdt?: { readonly [key: string]: Json | undefined }
  interfaces?: readonly InterfaceCounters[]
}

export function formatStatsEvent({ id, version, stats, intelRdt = {}, interfaces }: StatsEvent): string {
  const { cpu, pids, hugepages } = stats
  return format({
    type: 'stats',
    id,
    data: {
      cpu: {
        usage: {
          total: nonZero(cpu.usageNs),
          percpu: nonEmpty(cpu.perCpuNs),
          percpu_kernel: nonEmpty(cpu.perCpuSystemNs),
          percpu_user: nonEmpty(cpu.perCpuUserNs),
          kernel: cpu.systemNs,
          user: cpu.userNs,
        },
        throttling: {
          periods: nonZero(cpu.periods),
          throttledPeriods: nonZero(cpu.throttledPeriods),
          throttledTime: nonZero(cpu.throttledNs),
        },
        psi: formatPressure(cpu.pressure),
      },
      cpuset: formatCpuset(stats.cpuset),
      memory: formatMemory(stats.memory, version),
      pids: { current: nonZero(pids?.current), limit: nonZero(pids?.limit) },
      blkio: {
        ...Object.fromEntries(
          Object.entries(stats.blockIoTables).map(([table, entries]) => [table, nonEmpty(entries.map(formatBlockIo))]),
        ),
        psi: formatPressure(stats.blockIoPressure),
      },
      hugetlb: Object.fromEntries(
        Object.entries(hugepages).map(([size, { usageBytes, maxUsageBytes, failures }]) => [
          size,
          { usage: nonZero(usageBytes), max: nonZero(maxUsageBytes), failcnt: failures },
        ]),
      ),
      intel_rdt: intelRdt,
      network_interfaces: interfaces === undefined ? null : interfaces.map(formatInterface),
    },
  })
}

function formatCpuset(cpuset: CgroupStats['cpuset']): Json {
  return {
    cpus: nonEmpty(cpuset?.cpus),
    cpu_exclusive: cpuset?.values.cpu_exclusive ?? 0n,
    mems: nonEmpty(cpuset?.mems),
    ...Object.fromEntries(
      CPUSET_VALUES.filter((name) => name !== 'cpu_exclusive').map((name) => [name, cpuset?.values[name] ?? 0n]),
    ),
  }
}

function formatMemory(memory: CgroupStats['memory'], version: 1 | 2): Json {
  const counter = (each: MemoryCounter | undefined) => formatCounter(each, version)
  // Without swap there is as much of both as of memory.
  const withSwap = memory?.withSwap ?? (version === 2 ? memory && { ...memory, failures: 0n } : undefined)
  return {
    cache: nonZero(memory?.cacheBytes),
    usage: counter(memory && { ...memory, failures: version === 2 ? 0n : memory.failures }),
    swap: counter(withSwap && { ...withSwap, maxUsageBytes: version === 2 ? 0n : withSwap.maxUsageBytes }),
    kernel: counter(memory?.kernel),
    kernelTCP: counter(memory?.kernelTcp),
    raw: memory === undefined || Object.keys(memory.stat).length === 0 ? undefined : sorted(memory.stat),
    psi: formatPressure(memory?.pressure),
  }
}

const V2_UNLIMITED = 9_223_372_036_854_771_712n
const UINT64_MAX = 18_446_744_073_709_551_615n

/** v2's `max` is the largest number that runc has. */
function formatCounter(counter: MemoryCounter | undefined, version: 1 | 2): Json {
  const { usageBytes = 0n, maxUsageBytes, limitBytes = 0n, failures = 0n } = counter ?? {}
  return {
    limit: version === 2 && limitBytes >= V2_UNLIMITED ? UINT64_MAX : limitBytes,
    usage: nonZero(usageBytes),
    max: nonZero(maxUsageBytes),
    failcnt: failures,
  }
}

function formatBlockIo({ major, minor, operation, value }: BlockIoEntry): Json {
  return { major: major || undefined, minor: minor || undefined, op: operation || undefined, value: nonZero(value) }
}

function formatPressure(pressure: Pressure | undefined): Json | undefined {
  if (pressure === undefined) return undefined
  const line = ({ avg10, avg60, avg300, totalUs }: Pressure['some']) => ({ avg10, avg60, avg300, total: totalUs })
  return { some: line(pressure.some), full: line(pressure.full) }
}

function formatInterface(counters: InterfaceCounters): Json {
  return {
    Name: counters.name,
    RxBytes: counters.receivedBytes,
    RxPackets: counters.receivedPackets,
    RxErrors: counters.receiveErrors,
    RxDropped: counters.receiveDropped,
    TxBytes: counters.sentBytes,
    TxPackets: counters.sentPackets,
    TxErrors: counters.sendErrors,
    TxDropped: counters.sendDropped,
  }
}

function nonZero(value: bigint | undefined): bigint | undefined {
  return value === 0n ? undefined : value
}

function nonEmpty<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list?.length === 0 ? undefined : list
}

function sorted<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** JSON whose numbers keep their 64 bits. */
function format(value: Json): string {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (isList(value)) return `[${value.map(format).join(',')}]`
  const fields = Object.entries(value).flatMap(([key, item]) =>
    item === undefined ? [] : [`${JSON.stringify(key)}:${format(item)}`],
  )
  return `{${fields.join(',')}}`
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value)
}
