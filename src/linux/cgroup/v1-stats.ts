// The counters of a v1 group (Documentation/admin-guide/cgroup-v1).
import type { CgroupStats } from './cgroup.ts'
import { readGroupFile, readNumber, readPairs } from './group-files.ts'

/** cpuacct.stat counts in USER_HZ, which is 100 on every architecture we run on. */
const TICK_NS = 10_000_000n

export function readV1Stats(directoryOf: (controller: string) => string | undefined, oomKills: number): CgroupStats {
  return {
    cpu: readCpu(directoryOf('cpuacct'), directoryOf('cpu')),
    memory: readMemory(directoryOf('memory')),
    pids: readPids(directoryOf('pids')),
    blockIo: readBlockIo(directoryOf('blkio')),
    oomKills,
  }
}

function readCpu(cpuacct: string | undefined, cpu: string | undefined): CgroupStats['cpu'] {
  const ticks = cpuacct === undefined ? {} : readPairs(cpuacct, 'cpuacct.stat')
  const throttling = cpu === undefined ? {} : readPairs(cpu, 'cpu.stat')
  const perCpu = cpuacct === undefined ? undefined : readGroupFile(cpuacct, 'cpuacct.usage_percpu')
  return {
    usageNs: (cpuacct === undefined ? undefined : readNumber(cpuacct, 'cpuacct.usage')) ?? 0n,
    userNs: (ticks['user'] ?? 0n) * TICK_NS,
    systemNs: (ticks['system'] ?? 0n) * TICK_NS,
    perCpuNs: perCpu?.trim().split(/\s+/).filter(Boolean).map(BigInt),
    periods: throttling['nr_periods'] ?? 0n,
    throttledPeriods: throttling['nr_throttled'] ?? 0n,
    throttledNs: throttling['throttled_time'] ?? 0n,
  }
}

function readMemory(directory: string | undefined): CgroupStats['memory'] {
  const usageBytes = directory === undefined ? undefined : readNumber(directory, 'memory.usage_in_bytes')
  if (directory === undefined || usageBytes === undefined) return undefined
  return {
    usageBytes,
    maxUsageBytes: readNumber(directory, 'memory.max_usage_in_bytes'),
    limitBytes: readNumber(directory, 'memory.limit_in_bytes') ?? 0n,
    failures: readNumber(directory, 'memory.failcnt') ?? 0n,
    stat: readPairs(directory, 'memory.stat'),
  }
}

export function readPids(directory: string | undefined): CgroupStats['pids'] {
  const current = directory === undefined ? undefined : readNumber(directory, 'pids.current')
  if (directory === undefined || current === undefined) return undefined
  return { current, limit: readNumber(directory, 'pids.max') }
}

/** Bytes and operations come from two files with the same lines: `8:0 Read 4096`. */
function readBlockIo(directory: string | undefined): CgroupStats['blockIo'] {
  if (directory === undefined) return []
  const read = (file: string) =>
    readGroupFile(directory, `blkio.throttle.${file}_recursive`) ??
    readGroupFile(directory, `blkio.throttle.${file}`) ??
    ''
  return mergeBlockIo(read('io_service_bytes'), read('io_serviced'))
}

export function mergeBlockIo(bytesText: string, operationsText: string): CgroupStats['blockIo'] {
  const operations = new Map(parseBlockIo(operationsText).map(({ key, value }) => [key, value]))
  return parseBlockIo(bytesText).map(({ key, major, minor, operation, value }) => ({
    major,
    minor,
    operation,
    bytes: value,
    operations: operations.get(key) ?? 0n,
  }))
}

function parseBlockIo(text: string): { key: string; major: number; minor: number; operation: string; value: bigint }[] {
  return [...text.matchAll(/^((\d+):(\d+) (\w+)) (\d+)$/gm)].map(([, key, major, minor, operation, value]) => ({
    key: key!,
    major: Number(major),
    minor: Number(minor),
    operation: operation!,
    value: BigInt(value!),
  }))
}
