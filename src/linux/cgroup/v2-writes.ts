// Which files of a v2 group take which value. Pure. Docker's limits are v1's, so most of this is arithmetic between the two.
import { Failure } from '../../base/failure.ts'
import type { CgroupLimits } from './cgroup.ts'
import type { FileWrite } from './group-files.ts'

export interface V2State {
  /** memory.max as it is, where swap is given without a limit beside it. */
  memoryBytesMax: bigint | undefined
  /** cpu.max as it is, `max 100000`. */
  cpuMax: string | undefined
  /** io.bfq.weight or io.weight, whichever the scheduler has. */
  ioWeightFile: string | undefined
}

/** A zero means "not given" throughout, as in Docker's API. v2 has no swappiness and no way to switch the OOM killer off: both are passed over, as in runc. */
export function writesForV2(limits: CgroupLimits, state: V2State): FileWrite[] {
  const writes: FileWrite[] = [...memoryWrites(limits, state), ...cpuWrites(limits, state)]
  const { cpusetCpus, cpusetMems, pidsMax, blockIoWeight } = limits
  if (cpusetCpus) writes.push({ file: 'cpuset.cpus', value: cpusetCpus })
  if (cpusetMems) writes.push({ file: 'cpuset.mems', value: cpusetMems })
  if (pidsMax !== undefined) writes.push({ file: 'pids.max', value: pidsMax > 0 ? String(pidsMax) : 'max' })
  if (blockIoWeight && state.ioWeightFile === 'io.bfq.weight')
    writes.push({ file: 'io.bfq.weight', value: String(blockIoWeight) }) // bfq's range is v1's
  else if (blockIoWeight && state.ioWeightFile !== undefined)
    writes.push({ file: state.ioWeightFile, value: String(weightOfBlockIo(blockIoWeight)) })
  return writes
}

function memoryWrites(limits: CgroupLimits, state: V2State): FileWrite[] {
  const limit = limits.memoryBytesMax ?? 0
  const swap = limit === -1 && !limits.memorySwapBytesMax ? -1 : (limits.memorySwapBytesMax ?? 0)
  const writes: FileWrite[] = []
  // The swap limit goes first: lowering the memory limit alone would push pages out into swap that is to be forbidden.
  if (swap !== 0) writes.push({ file: 'memory.swap.max', value: swapOnly(swap, limit, state) })
  if (limit !== 0) writes.push({ file: 'memory.max', value: limit === -1 ? 'max' : String(limit) })
  if (limits.memoryReservationBytes) writes.push({ file: 'memory.low', value: String(limits.memoryReservationBytes) })
  return writes
}

/** Docker counts memory and swap together, v2 swap alone. */
function swapOnly(total: number, limit: number, state: V2State): string {
  if (total === -1) return 'max'
  const memory = limit === 0 ? state.memoryBytesMax : BigInt(limit)
  if (memory === undefined || memory === -1n)
    throw new Failure('invalid-argument', 'unable to set swap limit without memory limit')
  if (BigInt(total) < memory) throw new Failure('invalid-argument', 'memory+swap limit should be >= memory limit')
  return String(BigInt(total) - memory)
}

const DEFAULT_PERIOD_US = 100_000

function cpuWrites(limits: CgroupLimits, state: V2State): FileWrite[] {
  const { cpuShares: shares = 0, cpuQuotaUs: quota = 0, cpuPeriodUs: period = 0 } = limits
  const writes: FileWrite[] = shares === 0 ? [] : [{ file: 'cpu.weight', value: String(weightOfShares(shares)) }]
  if (quota === 0 && period === 0) return writes
  const [quotaNow = 'max', periodNow = String(DEFAULT_PERIOD_US)] = state.cpuMax?.trim().split(' ') ?? []
  const quotaText = quota === 0 ? quotaNow : quota < 0 ? 'max' : String(quota)
  return [...writes, { file: 'cpu.max', value: `${quotaText} ${period === 0 ? periodNow : period}` }]
}

/**
 * 2..262144 to 1..10000 along a curve that keeps both defaults together: 1024 shares are a weight of 100. (A straight line, which
 * older runtimes use, would make the default 39 and so hand a container less than its share.)
 */
export function weightOfShares(shares: number): number {
  if (shares <= 2) return 1
  if (shares >= 262_144) return 10_000
  const exponent = Math.log2(shares)
  return Math.ceil(10 ** ((exponent * exponent + 125 * exponent) / 612 - 7 / 34))
}

/** 10..1000 to 1..10000. */
export function weightOfBlockIo(weight: number): number {
  return 1 + Math.trunc(((weight - 10) * 9999) / 990)
}
