// io.containerd.cgroups.v2.Metrics (proto/metrics/cgroups_v2.proto). Times in microseconds.
import { double, message, nested, repeated, text, uint32, uint64 } from '../protobuf/message.ts'

const PidsStat = message({ current: uint64(1), limit: uint64(2) })
const PSIData = message({ avg10: double(1), avg60: double(2), avg300: double(3), total: uint64(4) })
const PSIStats = message({ some: nested(1, PSIData), full: nested(2, PSIData) })
const CPUStat = message({
  usageUsec: uint64(1),
  userUsec: uint64(2),
  systemUsec: uint64(3),
  nrPeriods: uint64(4),
  nrThrottled: uint64(5),
  throttledUsec: uint64(6),
  psi: nested(7, PSIStats),
  nrBursts: uint64(8),
  burstUsec: uint64(9),
})
const MemoryStat = message({
  anon: uint64(1),
  file: uint64(2),
  kernelStack: uint64(3),
  slab: uint64(4),
  sock: uint64(5),
  shmem: uint64(6),
  fileMapped: uint64(7),
  fileDirty: uint64(8),
  fileWriteback: uint64(9),
  anonThp: uint64(10),
  inactiveAnon: uint64(11),
  activeAnon: uint64(12),
  inactiveFile: uint64(13),
  activeFile: uint64(14),
  unevictable: uint64(15),
  slabReclaimable: uint64(16),
  slabUnreclaimable: uint64(17),
  pgfault: uint64(18),
  pgmajfault: uint64(19),
  workingsetRefault: uint64(20),
  workingsetActivate: uint64(21),
  workingsetNodereclaim: uint64(22),
  pgrefill: uint64(23),
  pgscan: uint64(24),
  pgsteal: uint64(25),
  pgactivate: uint64(26),
  pgdeactivate: uint64(27),
  pglazyfree: uint64(28),
  pglazyfreed: uint64(29),
  thpFaultAlloc: uint64(30),
  thpCollapseAlloc: uint64(31),
  usage: uint64(32),
  usageLimit: uint64(33),
  swapUsage: uint64(34),
  swapLimit: uint64(35),
  maxUsage: uint64(36),
  swapMaxUsage: uint64(37),
  psi: nested(38, PSIStats),
  workingsetRefaultAnon: uint64(39),
  workingsetRefaultFile: uint64(40),
  workingsetActivateAnon: uint64(41),
  workingsetActivateFile: uint64(42),
})
const RdmaEntry = message({ device: text(1), hcaHandles: uint32(2), hcaObjects: uint32(3) })
const RdmaStat = message({ current: repeated(nested(1, RdmaEntry)), limit: repeated(nested(2, RdmaEntry)) })
const IOEntry = message({
  major: uint64(1),
  minor: uint64(2),
  rbytes: uint64(3),
  wbytes: uint64(4),
  rios: uint64(5),
  wios: uint64(6),
})
const IOStat = message({ usage: repeated(nested(1, IOEntry)), psi: nested(2, PSIStats) })
const HugeTlbStat = message({ current: uint64(1), max: uint64(2), pagesize: text(3), failcnt: uint64(4) })
const MemoryEvents = message({
  low: uint64(1),
  high: uint64(2),
  max: uint64(3),
  oom: uint64(4),
  oomKill: uint64(5),
  oomGroupKill: uint64(6),
})
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
export const Metrics = message({
  pids: nested(1, PidsStat),
  cpu: nested(2, CPUStat),
  memory: nested(4, MemoryStat),
  rdma: nested(5, RdmaStat),
  io: nested(6, IOStat),
  hugetlb: repeated(nested(7, HugeTlbStat)),
  memoryEvents: nested(8, MemoryEvents),
  network: repeated(nested(9, NetworkStat)),
})
