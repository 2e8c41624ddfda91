// A container's counters in the shape of the stats API: the cgroup's from containerd, the interface's from the host.
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { Failure } from '../../base/failure.ts'
import type { Metric } from '../../gen/types/metric_pb.ts'
import { decodeTaskMetrics } from '../../containerd/client/task-metrics.ts'
import { BLOCK_IO_TABLES, type CgroupStats } from '../../linux/cgroup/cgroup-stats.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { isAlive } from './container-state.ts'
import { specHost } from './spec-facts.ts'

export interface StatsCounters {
  cpu: Record<string, unknown>
  memory: Record<string, unknown>
  pids: Record<string, unknown>
  blockIo: Record<string, unknown>
  networks: Record<string, unknown> | undefined
}

/** What was read of some tasks at once, and of the machine with them. */
export interface TaskReading {
  readonly metrics: ReadonlyMap<string, Metric>
  readonly system: SystemCpu
  /** Milliseconds since the epoch. */
  readonly askedAtMs: number
}

/** One call for all; those that do not run are not asked for. */
export async function readTasks(engine: Engine, containers: readonly Container[]): Promise<TaskReading> {
  const askedAtMs = engine.clock.now()
  const filters = containers.filter(({ state }) => isAlive(state)).map(({ id }) => `id==${id}`)
  // No filter would be every task.
  const { metrics } = filters.length === 0 ? { metrics: [] } : await engine.containerd.tasks.metrics({ filters })
  return { metrics: new Map(metrics.map((metric) => [metric.id, metric])), system: readSystemCpu(), askedAtMs }
}

/** Throws Failure when the task is gone. */
export function countersOf(engine: Engine, container: Container, { metrics, system }: TaskReading): StatsCounters {
  const data = metrics.get(container.id)?.data
  if (data === undefined) throw new Failure('not-found', `no metrics of container ${container.id}`)
  const stats = decodeTaskMetrics(data)
  return {
    cpu: cpuStats(stats, system),
    memory: memoryStats(stats),
    pids: stats.pids
      ? { current: Number(stats.pids.current), ...(stats.pids.limit ? { limit: Number(stats.pids.limit) } : {}) }
      : {},
    blockIo: blockIoStats(stats, specHost(engine).cgroupVersion),
    networks: interfaceStats(networkOwner(engine, container)),
  }
}

function cpuStats({ cpu }: CgroupStats, system: SystemCpu): Record<string, unknown> {
  return {
    cpu_usage: {
      total_usage: Number(cpu.usageNs),
      ...(cpu.perCpuNs ? { percpu_usage: cpu.perCpuNs.map(Number) } : {}),
      usage_in_kernelmode: Number(cpu.systemNs),
      usage_in_usermode: Number(cpu.userNs),
    },
    system_cpu_usage: system.usageNs,
    online_cpus: system.onlineCpus,
    throttling_data: {
      periods: Number(cpu.periods),
      throttled_periods: Number(cpu.throttledPeriods),
      throttled_time: Number(cpu.throttledNs),
    },
  }
}

/** RFC 3339: when containerd has begun to read this task's. */
export function readTimeOf(container: Container, { metrics, askedAtMs }: TaskReading): string {
  const timestamp = metrics.get(container.id)?.timestamp
  const readAtMs = timestamp === undefined ? askedAtMs : Number(timestamp.seconds) * 1000 + timestamp.nanos / 1e6
  return new Date(readAtMs).toISOString()
}

/** Without a limit of its own the container has the host's memory. */
function memoryStats({ memory }: CgroupStats): Record<string, unknown> {
  if (memory === undefined) return {}
  return {
    usage: Number(memory.usageBytes),
    ...(memory.maxUsageBytes === undefined ? {} : { max_usage: Number(memory.maxUsageBytes) }),
    ...(Number(memory.failures) > 0 ? { failcnt: Number(memory.failures) } : {}),
    stats: Object.fromEntries(Object.entries(memory.stat).map(([key, value]) => [key, Number(value)])),
    limit: Math.min(Number(memory.limitBytes), totalmem()),
  }
}

/** The first version of control groups has all of Docker's tables, the second but that of bytes. */
function blockIoStats({ blockIoTables: tables }: CgroupStats, cgroupVersion: 1 | 2): Record<string, unknown> {
  const kept = cgroupVersion === 1 ? BLOCK_IO_TABLES : (['ioServiceBytesRecursive'] as const)
  const rows = kept.map((table) => [
    table.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    (tables[table] ?? []).map(({ major, minor, operation, value }) => ({
      ...{ major, minor, value: Number(value) },
      op: cgroupVersion === 1 ? operation : operation.toLowerCase(),
    })),
  ])
  return { ...emptyBlockIo(), ...Object.fromEntries(rows) }
}

/** Who shares another's network has its counters. */
function networkOwner(engine: Engine, container: Container): Container {
  const seen = new Set<Container>()
  for (let owner = container; !seen.has(owner); ) {
    seen.add(owner)
    const [, id] = /^container:(.+)$/.exec(owner.record.hostConfig.NetworkMode ?? '') ?? []
    const next = id === undefined ? undefined : engine.containers.find(id)
    if (next === undefined) return owner
    owner = next
  }
  return container // they name each other in a circle
}

/** Read at the host's end of the cable, so what it receives is what the container sends. */
function interfaceStats(container: Container): Record<string, unknown> | undefined {
  const { endpoint } = container.record
  if (endpoint === undefined) return undefined
  const read = (name: string) => readCounter(`/sys/class/net/${endpoint.hostInterface}/statistics/${name}`)
  return {
    [endpoint.interfaceName]: {
      rx_bytes: read('tx_bytes'),
      rx_packets: read('tx_packets'),
      rx_errors: read('tx_errors'),
      rx_dropped: read('tx_dropped'),
      tx_bytes: read('rx_bytes'),
      tx_packets: read('rx_packets'),
      tx_errors: read('rx_errors'),
      tx_dropped: read('rx_dropped'),
    },
  }
}

function readCounter(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8'))
  } catch {
    return 0 // the container ended and took the interface with it
  }
}

export function emptyBlockIo(): Record<string, unknown> {
  return {
    io_service_bytes_recursive: null,
    io_serviced_recursive: null,
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  }
}

export interface SystemCpu {
  usageNs: number
  onlineCpus: number
}

/** Nanoseconds that all processors together have spent, without what a hypervisor took, and how many there are: what a share is computed against. */
export function readSystemCpu(text = readFileSync('/proc/stat', 'utf8')): SystemCpu {
  const NS_PER_TICK = 10_000_000 // USER_HZ is 100 on every architecture we run on
  const lines = text.split('\n')
  const fields = (lines[0] ?? '').trim().split(/\s+/).slice(1, 8).map(Number)
  return {
    usageNs: fields.reduce((sum, ticks) => sum + ticks, 0) * NS_PER_TICK,
    onlineCpus: lines.filter((line) => /^cpu\d/.test(line)).length,
  }
}
