// One container's numbers as `docker stats` shows them.
import { shortId } from './ids.ts'
import { formatBinarySize, formatSizeShort } from './moments.ts'
import type { Row } from './rows.ts'

interface CpuStats {
  cpu_usage?: { total_usage?: number; percpu_usage?: number[] | null }
  system_cpu_usage?: number
  online_cpus?: number
}

interface StatsMessage {
  id?: string
  name?: string
  cpu_stats?: CpuStats
  precpu_stats?: CpuStats
  memory_stats?: { usage?: number; limit?: number; stats?: Record<string, number> | null }
  blkio_stats?: { io_service_bytes_recursive?: { op: string; value: number }[] | null }
  networks?: Record<string, { rx_bytes: number; tx_bytes: number }> | null
  pids_stats?: { current?: number }
}

export interface Measurement {
  id: string
  name: string
  cpuPercent: number
  memory: number
  memoryLimit: number
  received: number
  sent: number
  read: number
  written: number
  pids: number
}

export function measure(value: unknown): Measurement {
  const message = value as StatsMessage
  const networks = Object.values(message.networks ?? {})
  const blocks = message.blkio_stats?.io_service_bytes_recursive ?? []
  const bytesOf = (letter: string) =>
    blocks.reduce((sum, { op, value: bytes }) => (op.toLowerCase().startsWith(letter) ? sum + bytes : sum), 0)
  return {
    id: message.id ?? '',
    name: message.name ?? '',
    cpuPercent: cpuPercent(message),
    memory: memoryInUse(message.memory_stats ?? {}),
    memoryLimit: message.memory_stats?.limit ?? 0,
    received: networks.reduce((sum, { rx_bytes }) => sum + rx_bytes, 0),
    sent: networks.reduce((sum, { tx_bytes }) => sum + tx_bytes, 0),
    read: bytesOf('r'),
    written: bytesOf('w'),
    pids: message.pids_stats?.current ?? 0,
  }
}

/** Of one processor: two busy ones are 200 %. */
function cpuPercent({ cpu_stats: now = {}, precpu_stats: before = {} }: StatsMessage): number {
  const own = (now.cpu_usage?.total_usage ?? 0) - (before.cpu_usage?.total_usage ?? 0)
  const all = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0)
  const processors = now.online_cpus || (now.cpu_usage?.percpu_usage?.length ?? 0)
  return all > 0 && own > 0 ? (own / all) * processors * 100 : 0
}

/** Without the part of the page cache that the kernel would give up first. */
function memoryInUse({ usage = 0, stats }: NonNullable<StatsMessage['memory_stats']>): number {
  const v1 = stats?.['total_inactive_file']
  if (v1 !== undefined && v1 < usage) return usage - v1
  const v2 = stats?.['inactive_file'] ?? 0
  return v2 < usage ? usage - v2 : usage
}

/** Dashes where nothing is known. */
export function rowOf(container: string, known: Measurement | undefined, isWhole: boolean): Row {
  if (known === undefined)
    return {
      ...{ Container: container, Name: '--', ID: '', CPUPerc: '--', MemUsage: '-- / --', MemPerc: '--' },
      ...{ NetIO: '--', BlockIO: '--', PIDs: '--' },
    }
  const pair = (a: number, b: number) => `${formatSizeShort(a)} / ${formatSizeShort(b)}`
  const { memory, memoryLimit } = known
  return {
    Container: container,
    Name: known.name.length > 1 ? known.name.slice(1) : '--',
    ID: isWhole ? known.id : shortId(known.id),
    CPUPerc: `${known.cpuPercent.toFixed(2)}%`,
    MemUsage: `${formatBinarySize(memory)} / ${formatBinarySize(memoryLimit)}`,
    MemPerc: `${(memoryLimit === 0 ? 0 : (memory / memoryLimit) * 100).toFixed(2)}%`,
    NetIO: pair(known.received, known.sent),
    BlockIO: pair(known.read, known.written),
    PIDs: String(known.pids),
  }
}
