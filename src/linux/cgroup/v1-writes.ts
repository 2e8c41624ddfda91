// Which files of a v1 group take which value, in the order that the kernel accepts. Pure: what is there now comes in.
import { Failure } from '../../base/failure.ts'
import type { CgroupLimits } from './cgroup.ts'
import type { FileWrite } from './group-files.ts'

export interface ControllerWrite extends FileWrite {
  controller: string
}

/** What decides about the order of writes, and about whether a file is there at all. */
export interface V1State {
  /** memory.memsw.limit_in_bytes; undefined where swap is not accounted. */
  memorySwapBytesMax: bigint | undefined
  /** cpu.cfs_period_us */
  cpuPeriodUs: bigint | undefined
  /** blkio.bfq.weight or blkio.weight, whichever the scheduler has. */
  blockIoWeightFile: string | undefined
}

/** A zero means "not given" throughout, as in Docker's API. */
export function writesForV1(limits: CgroupLimits, state: V1State): ControllerWrite[] {
  return [
    ...memoryWrites(limits, state),
    ...cpuWrites(limits, state),
    ...otherWrites(limits, state),
    ...deviceWrites(limits),
  ]
}

/**
 * The kernel holds limit <= memsw at every moment: when both go up, memsw goes first, when down, the limit does.
 */
function memoryWrites(limits: CgroupLimits, state: V1State): ControllerWrite[] {
  const { memoryBytesMax: limit = 0, memorySwappiness: swappiness } = limits
  const swap = limit === -1 && !limits.memorySwapBytesMax ? -1 : (limits.memorySwapBytesMax ?? 0)
  const limitWrite = limit === 0 ? [] : [memory('limit_in_bytes', limit)]
  const swapWrite = swap === 0 || state.memorySwapBytesMax === undefined ? [] : [memory('memsw.limit_in_bytes', swap)]
  const swapFirst = limit === -1 || (state.memorySwapBytesMax ?? 0n) < BigInt(limit)
  const writes = swapFirst ? [...swapWrite, ...limitWrite] : [...limitWrite, ...swapWrite]
  if (limits.memoryReservationBytes) writes.push(memory('soft_limit_in_bytes', limits.memoryReservationBytes))
  if (limits.oomKillDisable === true) writes.push(memory('oom_control', 1))
  if (swappiness === undefined || swappiness === -1) return writes
  if (swappiness < 0 || swappiness > 100)
    throw new Failure('invalid-argument', `invalid memory swappiness value: ${swappiness} (valid range is 0-100)`)
  return [...writes, memory('swappiness', swappiness)]
}

function memory(file: string, value: number): ControllerWrite {
  return { controller: 'memory', file: `memory.${file}`, value: String(value) }
}

/** A quota may not exceed what the period in force allows, so a longer period goes before it and a shorter one after. */
function cpuWrites(limits: CgroupLimits, state: V1State): ControllerWrite[] {
  const { cpuShares: shares = 0, cpuQuotaUs: quota = 0, cpuPeriodUs: period = 0 } = limits
  const cpu = (file: string, value: number) => ({ controller: 'cpu', file: `cpu.${file}`, value: String(value) })
  const periodWrite = period === 0 ? [] : [cpu('cfs_period_us', period)]
  const quotaWrite = quota === 0 ? [] : [cpu('cfs_quota_us', quota)]
  const isShorter = state.cpuPeriodUs !== undefined && BigInt(period) < state.cpuPeriodUs
  return [
    ...(shares === 0 ? [] : [cpu('shares', shares)]),
    ...(isShorter ? [...quotaWrite, ...periodWrite] : [...periodWrite, ...quotaWrite]),
  ]
}

function otherWrites(limits: CgroupLimits, state: V1State): ControllerWrite[] {
  const { cpusetCpus, cpusetMems, pidsMax, blockIoWeight } = limits
  const writes: ControllerWrite[] = []
  if (cpusetCpus) writes.push({ controller: 'cpuset', file: 'cpuset.cpus', value: cpusetCpus })
  if (cpusetMems) writes.push({ controller: 'cpuset', file: 'cpuset.mems', value: cpusetMems })
  if (pidsMax !== undefined)
    writes.push({ controller: 'pids', file: 'pids.max', value: pidsMax > 0 ? String(pidsMax) : 'max' })
  if (blockIoWeight && state.blockIoWeightFile !== undefined)
    writes.push({ controller: 'blkio', file: state.blockIoWeightFile, value: String(blockIoWeight) })
  return writes
}

/** The kernel's lists work in the order of the writes, just as the rules of the spec do. */
function deviceWrites(limits: CgroupLimits): ControllerWrite[] {
  return (limits.devices ?? []).map((rule) => ({
    controller: 'devices',
    file: rule.allow ? 'devices.allow' : 'devices.deny',
    value: rule.type === 'a' ? 'a' : `${rule.type} ${rule.major ?? '*'}:${rule.minor ?? '*'} ${rule.access}`,
  }))
}
