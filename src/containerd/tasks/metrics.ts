// A control group's counters in containerd's messages, which differ by the version of the group.
import type { Cgroup, CgroupStats } from '../../linux/cgroup/cgroup.ts'
import type { MessageInit } from '../../wire/protobuf/message.ts'
import type { Any } from '../../wire/shim-v2/messages.ts'
import { Metrics as MetricsV1 } from '../../wire/shim-v2/metrics-v1.ts'
import { Metrics as MetricsV2 } from '../../wire/shim-v2/metrics-v2.ts'

type Pressure = NonNullable<CgroupStats['blockIoPressure']>
type MemoryCounter = NonNullable<NonNullable<CgroupStats['memory']>['swap']>
type BlockIoEntries = NonNullable<CgroupStats['blockIoTables'][keyof CgroupStats['blockIoTables']]>

/** containerd's types have no host in front of their names. */
export function metricsOf(cgroup: Cgroup): Any {
  const stats = cgroup.stats('message')
  return cgroup.version === 1
    ? { typeUrl: 'io.containerd.cgroups.v1.Metrics', value: MetricsV1.encode(metricsV1(stats)) }
    : { typeUrl: 'io.containerd.cgroups.v2.Metrics', value: MetricsV2.encode(metricsV2(stats)) }
}

function metricsV1(stats: CgroupStats): MessageInit<typeof MetricsV1> {
  const { cpu, memory, pids, blockIoTables: tables, rdma } = stats
  return {
    hugetlb: Object.entries(stats.hugepages).map(([pagesize, { usageBytes: usage, maxUsageBytes: max, failures }]) => ({
      usage,
      max,
      failcnt: failures,
      pagesize,
    })),
    ...(pids === undefined ? {} : { pids: { current: pids.current, limit: pids.limit ?? 0n } }),
    cpu: {
      usage: { total: cpu.usageNs, user: cpu.userNs, kernel: cpu.systemNs, perCpu: cpu.perCpuNs ?? [] },
      throttling: { periods: cpu.periods, throttledPeriods: cpu.throttledPeriods, throttledTime: cpu.throttledNs },
    },
    ...(memory === undefined ? {} : { memory: memoryV1(memory) }),
    memoryOomControl: { oomKill: BigInt(stats.oomKills) },
    blkio: {
      ioServiceBytesRecursive: blockIo(tables.ioServiceBytesRecursive),
      ioServicedRecursive: blockIo(tables.ioServicedRecursive),
      ioQueuedRecursive: blockIo(tables.ioQueueRecursive),
      ioServiceTimeRecursive: blockIo(tables.ioServiceTimeRecursive),
      ioWaitTimeRecursive: blockIo(tables.ioWaitTimeRecursive),
      ioMergedRecursive: blockIo(tables.ioMergedRecursive),
      ioTimeRecursive: blockIo(tables.ioTimeRecursive),
      sectorsRecursive: blockIo(tables.sectorsRecursive),
    },
    ...(rdma === undefined ? {} : { rdma }),
  }
}

/** memory.stat's lines whose names in the message are not their own in camel case. */
const MEMORY_V1_NAMES: Readonly<Record<string, string>> = {
  pgpgin: 'pgPgIn',
  pgpgout: 'pgPgOut',
  pgfault: 'pgFault',
  pgmajfault: 'pgMajFault',
  hierarchical_memsw_limit: 'hierarchicalSwapLimit',
  total_pgpgin: 'totalPgPgIn',
  total_pgpgout: 'totalPgPgOut',
  total_pgfault: 'totalPgFault',
  total_pgmajfault: 'totalPgMajFault',
}

function memoryV1(memory: NonNullable<CgroupStats['memory']>) {
  return {
    ...named(memory.stat, MEMORY_V1_NAMES),
    usage: memoryEntry(memory),
    // The message's `swap` is what v1 limits and counts: memory and swap together.
    ...(memory.withSwap === undefined ? {} : { swap: memoryEntry(memory.withSwap) }),
    ...(memory.kernel === undefined ? {} : { kernel: memoryEntry(memory.kernel) }),
    ...(memory.kernelTcp === undefined ? {} : { kernelTcp: memoryEntry(memory.kernelTcp) }),
  }
}

function memoryEntry(counter: MemoryCounter) {
  const { limitBytes, usageBytes, maxUsageBytes, failures } = counter
  return { limit: limitBytes, usage: usageBytes, max: maxUsageBytes ?? 0n, failcnt: failures }
}

function blockIo(entries: BlockIoEntries | undefined) {
  return (entries ?? []).map(({ major, minor, operation, value }) => ({
    op: operation,
    major: BigInt(major),
    minor: BigInt(minor),
    value,
  }))
}

function metricsV2(stats: CgroupStats): MessageInit<typeof MetricsV2> {
  const { cpu, memory, pids, rdma } = stats
  const us = (ns: bigint) => ns / 1000n
  return {
    ...(pids === undefined ? {} : { pids: { current: pids.current, limit: pids.limit ?? 0n } }),
    cpu: {
      usageUsec: us(cpu.usageNs),
      userUsec: us(cpu.userNs),
      systemUsec: us(cpu.systemNs),
      nrPeriods: cpu.periods,
      nrThrottled: cpu.throttledPeriods,
      throttledUsec: us(cpu.throttledNs),
      nrBursts: cpu.burstPeriods,
      burstUsec: us(cpu.burstNs),
      ...pressure(cpu.pressure),
    },
    ...(memory === undefined ? {} : { memory: memoryV2(memory), memoryEvents: named(memory.events, {}) }),
    ...(rdma === undefined ? {} : { rdma }),
    io: { usage: ioUsage(stats.blockIo), ...pressure(stats.blockIoPressure) },
    hugetlb: Object.entries(stats.hugepages).map(([pagesize, { usageBytes, maxUsageBytes, failures }]) => ({
      current: usageBytes,
      max: maxUsageBytes,
      pagesize,
      failcnt: failures,
    })),
  }
}

function memoryV2(memory: NonNullable<CgroupStats['memory']>) {
  const { swap } = memory
  return {
    ...named(memory.stat, { anon_thp: 'anonThp' }),
    usage: memory.usageBytes,
    usageLimit: memory.limitBytes,
    maxUsage: memory.maxUsageBytes ?? 0n,
    ...(swap === undefined
      ? {}
      : { swapUsage: swap.usageBytes, swapLimit: swap.limitBytes, swapMaxUsage: swap.maxUsageBytes ?? 0n }),
    ...pressure(memory.pressure),
  }
}

function ioUsage(rows: CgroupStats['blockIo']) {
  const devices = new Map<
    string,
    { major: bigint; minor: bigint; rbytes: bigint; wbytes: bigint; rios: bigint; wios: bigint }
  >()
  for (const { major, minor, operation, bytes, operations } of rows) {
    const key = `${major}:${minor}`
    const device = devices.get(key) ?? {
      major: BigInt(major),
      minor: BigInt(minor),
      rbytes: 0n,
      wbytes: 0n,
      rios: 0n,
      wios: 0n,
    }
    if (operation === 'Read') Object.assign(device, { rbytes: bytes, rios: operations })
    if (operation === 'Write') Object.assign(device, { wbytes: bytes, wios: operations })
    devices.set(key, device)
  }
  return [...devices.values()]
}

function pressure(of: Pressure | undefined) {
  if (of === undefined) return { psi: undefined }
  const line = ({ avg10, avg60, avg300, totalUs }: Pressure['some']) => ({ avg10, avg60, avg300, total: totalUs })
  return { psi: { some: line(of.some), full: line(of.full) } }
}

/** The kernel's lines by the message's field names; what the message has no field for falls away when it is made. */
function named(
  lines: Readonly<Record<string, bigint>>,
  renamed: Readonly<Record<string, string>>,
): Record<string, bigint> {
  return Object.fromEntries(
    Object.entries(lines).map(([key, value]) => [
      renamed[key] ?? key.replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase()),
      value,
    ]),
  )
}
