// A task's counters as containerd's Metrics call has them, io.containerd.cgroups.v1.Metrics or v2's, in the words of linux/cgroup.
import { Failure } from '../../base/failure.ts'
import type { BlockIoEntry, CgroupStats, MemoryCounter, Pressure, RdmaEntry } from '../../linux/cgroup/cgroup-stats.ts'
import type { Message } from '../../wire/protobuf/message.ts'
import type { Any } from '../../wire/shim-v2/messages.ts'
import { Metrics as MetricsV1 } from '../../wire/shim-v2/metrics-v1.ts'
import { Metrics as MetricsV2 } from '../../wire/shim-v2/metrics-v2.ts'

type V1 = Message<typeof MetricsV1>
type V2 = Message<typeof MetricsV2>

/** What the messages have no field for is undefined or nothing. Throws `unimplemented` for another type, such as a virtual machine's own. */
export function decodeTaskMetrics({ typeUrl, value }: Any): CgroupStats {
  switch (typeUrl.slice(typeUrl.lastIndexOf('/') + 1)) {
    case 'io.containerd.cgroups.v1.Metrics':
      return fromV1(MetricsV1.decode(value))
    case 'io.containerd.cgroups.v2.Metrics':
      return fromV2(MetricsV2.decode(value))
    default:
      throw new Failure('unimplemented', `metrics are of type ${JSON.stringify(typeUrl)}`)
  }
}

const NO_CPU = {
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
} satisfies CgroupStats['cpu']

function fromV1({ cpu, memory, pids, blkio, hugetlb, rdma, memoryOomControl }: V1): CgroupStats {
  const perCpuNs = cpu?.usage?.perCpu ?? []
  const tables = blkio === undefined ? {} : blockIoTables(blkio)
  return {
    cpu: {
      ...NO_CPU,
      usageNs: cpu?.usage?.total ?? 0n,
      userNs: cpu?.usage?.user ?? 0n,
      systemNs: cpu?.usage?.kernel ?? 0n,
      perCpuNs: perCpuNs.length === 0 ? undefined : perCpuNs,
      periods: cpu?.throttling?.periods ?? 0n,
      throttledPeriods: cpu?.throttling?.throttledPeriods ?? 0n,
      throttledNs: cpu?.throttling?.throttledTime ?? 0n,
    },
    cpuset: undefined,
    memory: memory && memoryFromV1(memory),
    pids: pids && limited(pids),
    blockIo: mergeTables(tables),
    blockIoTables: tables,
    blockIoPressure: undefined,
    hugepages: Object.fromEntries(
      hugetlb.map(({ pagesize, usage, max, failcnt }) => [
        pagesize,
        { usageBytes: usage, maxUsageBytes: max, failures: failcnt },
      ]),
    ),
    rdma: rdma && { current: rdmaEntries(rdma.current), limit: rdmaEntries(rdma.limit) },
    misc: {},
    oomKills: Number(memoryOomControl?.oomKill ?? 0n),
  }
}

/** Fields whose names are not memory.stat's in camel case. */
const V1_NAMES: Readonly<Record<string, string>> = {
  pgPgIn: 'pgpgin',
  pgPgOut: 'pgpgout',
  pgFault: 'pgfault',
  pgMajFault: 'pgmajfault',
  hierarchicalSwapLimit: 'hierarchical_memsw_limit',
  totalPgPgIn: 'total_pgpgin',
  totalPgPgOut: 'total_pgpgout',
  totalPgFault: 'total_pgfault',
  totalPgMajFault: 'total_pgmajfault',
}

function memoryFromV1(memory: NonNullable<V1['memory']>): CgroupStats['memory'] {
  const { usage, swap, kernel, kernelTcp, ...lines } = memory
  return {
    ...counterOf(usage),
    stat: kernelLines(lines, V1_NAMES),
    cacheBytes: memory.cache,
    isHierarchical: true,
    withSwap: swap && counterOf(swap),
    swap: undefined,
    kernel: kernel && counterOf(kernel),
    kernelTcp: kernelTcp && counterOf(kernelTcp),
    events: {},
    pressure: undefined,
  }
}

function counterOf(entry: NonNullable<V1['memory']>['usage']): MemoryCounter {
  const { usage, limit, max, failcnt } = entry ?? { usage: 0n, limit: 0n, max: 0n, failcnt: 0n }
  return { usageBytes: usage, limitBytes: limit, maxUsageBytes: max, failures: failcnt }
}

function blockIoTables(blkio: NonNullable<V1['blkio']>): CgroupStats['blockIoTables'] {
  const { ioQueuedRecursive, ...same } = blkio
  const tables = { ...same, ioQueueRecursive: ioQueuedRecursive }
  return Object.fromEntries(
    Object.entries(tables).map(([name, entries]) => [
      name,
      entries.map(({ op, major, minor, value }): BlockIoEntry => {
        return { operation: op, major: Number(major), minor: Number(minor), value }
      }),
    ]),
  )
}

/** Bytes and operations of the same device side by side, in the order of the bytes' table. */
function mergeTables({ ioServiceBytesRecursive = [], ioServicedRecursive = [] }: CgroupStats['blockIoTables']) {
  const keyOf = ({ major, minor, operation }: BlockIoEntry) => `${major}:${minor} ${operation}`
  const operations = new Map(ioServicedRecursive.map((entry) => [keyOf(entry), entry.value]))
  return ioServiceBytesRecursive.map((entry) => {
    const { major, minor, operation, value } = entry
    return { major, minor, operation, bytes: value, operations: operations.get(keyOf(entry)) ?? 0n }
  })
}

function fromV2({ cpu, memory, memoryEvents, pids, io, hugetlb, rdma }: V2): CgroupStats {
  const ns = (us: bigint | undefined) => (us ?? 0n) * 1000n
  const rows = (io?.usage ?? []).flatMap(({ major, minor, rbytes, rios, wbytes, wios }) => {
    const device = { major: Number(major), minor: Number(minor) }
    return [
      { ...device, operation: 'Read', bytes: rbytes, operations: rios },
      { ...device, operation: 'Write', bytes: wbytes, operations: wios },
    ]
  })
  return {
    cpu: {
      ...NO_CPU,
      usageNs: ns(cpu?.usageUsec),
      userNs: ns(cpu?.userUsec),
      systemNs: ns(cpu?.systemUsec),
      periods: cpu?.nrPeriods ?? 0n,
      throttledPeriods: cpu?.nrThrottled ?? 0n,
      throttledNs: ns(cpu?.throttledUsec),
      burstPeriods: cpu?.nrBursts ?? 0n,
      burstNs: ns(cpu?.burstUsec),
      pressure: pressureOf(cpu?.psi),
    },
    cpuset: undefined,
    memory: memory && memoryFromV2(memory, memoryEvents),
    pids: pids && limited(pids),
    blockIo: rows,
    blockIoTables: {
      ioServiceBytesRecursive: rows.map(({ bytes, operations: _, ...entry }) => ({ ...entry, value: bytes })),
      ioServicedRecursive: rows.map(({ bytes: _, operations, ...entry }) => ({ ...entry, value: operations })),
    },
    blockIoPressure: pressureOf(io?.psi),
    hugepages: Object.fromEntries(
      hugetlb.map(({ pagesize, current, max, failcnt }) => [
        pagesize,
        { usageBytes: current, maxUsageBytes: max, failures: failcnt },
      ]),
    ),
    rdma: rdma && { current: rdmaEntries(rdma.current), limit: rdmaEntries(rdma.limit) },
    misc: {},
    oomKills: Number(memoryEvents?.oomKill ?? 0n),
  }
}

function memoryFromV2(memory: NonNullable<V2['memory']>, events: V2['memoryEvents']): CgroupStats['memory'] {
  const { usage, usageLimit, maxUsage, swapUsage, swapLimit, swapMaxUsage, psi, ...lines } = memory
  return {
    usageBytes: usage,
    limitBytes: usageLimit,
    maxUsageBytes: maxUsage === 0n ? undefined : maxUsage,
    failures: 0n,
    stat: kernelLines(lines, { anonThp: 'anon_thp' }),
    cacheBytes: memory.file,
    isHierarchical: true,
    withSwap: undefined,
    swap: {
      usageBytes: swapUsage,
      limitBytes: swapLimit,
      maxUsageBytes: swapMaxUsage === 0n ? undefined : swapMaxUsage,
      failures: 0n,
    },
    kernel: undefined,
    kernelTcp: undefined,
    events: events === undefined ? {} : kernelLines(events, {}),
    pressure: pressureOf(psi),
  }
}

/** 0 stands for no limit. */
function limited({ current, limit }: { current: bigint; limit: bigint }): CgroupStats['pids'] {
  return { current, limit: limit === 0n ? undefined : limit }
}

/** Fields by the names that the kernel's files have. */
function kernelLines(
  fields: Readonly<Record<string, bigint>>,
  renamed: Readonly<Record<string, string>>,
): Record<string, bigint> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      renamed[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  )
}

function rdmaEntries(entries: readonly RdmaEntry[]): RdmaEntry[] {
  return entries.map(({ device, hcaHandles, hcaObjects }) => ({ device, hcaHandles, hcaObjects }))
}

function pressureOf(psi: NonNullable<V2['cpu']>['psi']): Pressure | undefined {
  if (psi?.some === undefined || psi.full === undefined) return undefined
  const line = ({ total, ...averages }: NonNullable<typeof psi.some>) => ({ ...averages, totalUs: total })
  return { some: line(psi.some), full: line(psi.full) }
}
