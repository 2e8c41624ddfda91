// io.containerd.cgroups.v1.Metrics (proto/metrics/cgroups_v1.proto). Times in nanoseconds.
import { message, nested, packed, repeated, text, uint32, uint64 } from '../protobuf/message.ts'

const HugetlbStat = message({ usage: uint64(1), max: uint64(2), failcnt: uint64(3), pagesize: text(4) })
const PidsStat = message({ current: uint64(1), limit: uint64(2) })
const CPUUsage = message({ total: uint64(1), kernel: uint64(2), user: uint64(3), perCpu: packed(4) })
const Throttle = message({ periods: uint64(1), throttledPeriods: uint64(2), throttledTime: uint64(3) })
const CPUStat = message({ usage: nested(1, CPUUsage), throttling: nested(2, Throttle) })
const MemoryEntry = message({ limit: uint64(1), usage: uint64(2), max: uint64(3), failcnt: uint64(4) })
const MemoryStat = message({
  cache: uint64(1),
  rss: uint64(2),
  rssHuge: uint64(3),
  mappedFile: uint64(4),
  dirty: uint64(5),
  writeback: uint64(6),
  pgPgIn: uint64(7),
  pgPgOut: uint64(8),
  pgFault: uint64(9),
  pgMajFault: uint64(10),
  inactiveAnon: uint64(11),
  activeAnon: uint64(12),
  inactiveFile: uint64(13),
  activeFile: uint64(14),
  unevictable: uint64(15),
  hierarchicalMemoryLimit: uint64(16),
  hierarchicalSwapLimit: uint64(17),
  totalCache: uint64(18),
  totalRss: uint64(19),
  totalRssHuge: uint64(20),
  totalMappedFile: uint64(21),
  totalDirty: uint64(22),
  totalWriteback: uint64(23),
  totalPgPgIn: uint64(24),
  totalPgPgOut: uint64(25),
  totalPgFault: uint64(26),
  totalPgMajFault: uint64(27),
  totalInactiveAnon: uint64(28),
  totalActiveAnon: uint64(29),
  totalInactiveFile: uint64(30),
  totalActiveFile: uint64(31),
  totalUnevictable: uint64(32),
  usage: nested(33, MemoryEntry),
  swap: nested(34, MemoryEntry),
  kernel: nested(35, MemoryEntry),
  kernelTcp: nested(36, MemoryEntry),
})
const BlkIOEntry = message({ op: text(1), device: text(2), major: uint64(3), minor: uint64(4), value: uint64(5) })
const BlkIOStat = message({
  ioServiceBytesRecursive: repeated(nested(1, BlkIOEntry)),
  ioServicedRecursive: repeated(nested(2, BlkIOEntry)),
  ioQueuedRecursive: repeated(nested(3, BlkIOEntry)),
  ioServiceTimeRecursive: repeated(nested(4, BlkIOEntry)),
  ioWaitTimeRecursive: repeated(nested(5, BlkIOEntry)),
  ioMergedRecursive: repeated(nested(6, BlkIOEntry)),
  ioTimeRecursive: repeated(nested(7, BlkIOEntry)),
  sectorsRecursive: repeated(nested(8, BlkIOEntry)),
})
const RdmaEntry = message({ device: text(1), hcaHandles: uint32(2), hcaObjects: uint32(3) })
const RdmaStat = message({ current: repeated(nested(1, RdmaEntry)), limit: repeated(nested(2, RdmaEntry)) })
const NetworkStat = message({
  name: text(1),
  rxBytes: uint64(2),
  rxPackets: uint64(3),
  rxErrors: uint64(4),
  rxDropped: uint64(5),
  txBytes: uint64(6),
  txPackets: uint64(7),
  txErrors: uint64(8),
  txDropped: uint64(9),
})
const CgroupStats = message({
  nrSleeping: uint64(1),
  nrRunning: uint64(2),
  nrStopped: uint64(3),
  nrUninterruptible: uint64(4),
  nrIoWait: uint64(5),
})
const MemoryOomControl = message({ oomKillDisable: uint64(1), underOom: uint64(2), oomKill: uint64(3) })
export const Metrics = message({
  hugetlb: repeated(nested(1, HugetlbStat)),
  pids: nested(2, PidsStat),
  cpu: nested(3, CPUStat),
  memory: nested(4, MemoryStat),
  blkio: nested(5, BlkIOStat),
  rdma: nested(6, RdmaStat),
  network: repeated(nested(7, NetworkStat)),
  cgroupStats: nested(8, CgroupStats),
  memoryOomControl: nested(9, MemoryOomControl),
})
