// The counters of a v2 group (Documentation/admin-guide/cgroup-v2.rst).
import type { CgroupStats } from './cgroup.ts'
import { readGroupFile, readNumber, readPairs } from './group-files.ts'
import { readPids } from './v1-stats.ts'

export function readV2Stats(directory: string, oomKills: number): CgroupStats {
  const cpu = readPairs(directory, 'cpu.stat')
  const us = (key: string) => (cpu[key] ?? 0n) * 1000n
  return {
    cpu: {
      usageNs: us('usage_usec'),
      userNs: us('user_usec'),
      systemNs: us('system_usec'),
      perCpuNs: undefined,
      periods: cpu['nr_periods'] ?? 0n,
      throttledPeriods: cpu['nr_throttled'] ?? 0n,
      throttledNs: us('throttled_usec'),
    },
    memory: readMemory(directory),
    pids: readPids(directory),
    blockIo: parseIoStat(readGroupFile(directory, 'io.stat') ?? ''),
    oomKills,
  }
}

function readMemory(directory: string): CgroupStats['memory'] {
  const usageBytes = readNumber(directory, 'memory.current')
  if (usageBytes === undefined) return undefined
  return {
    usageBytes,
    maxUsageBytes: readNumber(directory, 'memory.peak'),
    limitBytes: readNumber(directory, 'memory.max') ?? UNLIMITED,
    failures: readPairs(directory, 'memory.events')['max'] ?? 0n,
    stat: readPairs(directory, 'memory.stat'),
  }
}

/** What v1 says for no limit; whoever shows it compares it with the machine's memory. */
const UNLIMITED = 9_223_372_036_854_771_712n

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
