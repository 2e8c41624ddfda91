// Which files of a v2 group take which value. Pure. Docker's limits are v1's, so most of this is arithmetic between the two.
import { Failure } from '../../base/failure.ts'
import type { CgroupLimits } from './cgroup.ts'
import type { FileWrite } from './group-files.ts'
import { decimal, rdmaWrites } from './v1-writes.ts'

export interface V2State {
  /** memory.max as it is, where swap is given without a limit beside it. */
  memoryBytesMax: bigint | undefined
  /** memory.current, where the limit is to be checked against it. */
  memoryBytesUsed: bigint | undefined
  /** cpu.max as it is, `max 100000`. */
  cpuMax: string | undefined
  /** io.bfq.weight or io.weight, whichever the scheduler has. */
  ioWeightFile: string | undefined
}

/** A zero means "not given" throughout, as in Docker's API. `unified` is not in here: see unifiedWrites. */
export function writesForV2(limits: CgroupLimits, state: V2State): FileWrite[] {
  refuseV1Only(limits)
  const { cpusetCpus, cpusetMems, pidsMax } = limits
  return [
    ...(pidsMax === undefined ? [] : [{ file: 'pids.max', value: pidsMax > 0 ? decimal(pidsMax) : 'max' }]),
    ...memoryWrites(limits, state),
    ...blockIoWrites(limits, state),
    ...cpuWrites(limits, state),
    ...(cpusetCpus ? [{ file: 'cpuset.cpus', value: cpusetCpus }] : []),
    ...(cpusetMems ? [{ file: 'cpuset.mems', value: cpusetMems }] : []),
    ...Object.entries(limits.hugepageBytes ?? {}).flatMap(([size, bytes]): FileWrite[] => [
      { file: `hugetlb.${size}.max`, value: decimal(bytes) },
      { file: `hugetlb.${size}.rsvd.max`, value: decimal(bytes), optional: true }, // kernel 5.7
    ]),
    ...rdmaWrites(limits),
  ]
}

/** What v2 has no place for is refused and not forgotten. (Kernel memory is not among it: nobody limits that any more.) */
function refuseV1Only(limits: CgroupLimits): void {
  const leaf = limits.blockIoWeightDevices?.some(({ leafWeight }) => leafWeight)
  const swappiness = limits.memorySwappiness ?? -1
  const asked: [boolean, field: string, words: string][] = [
    [swappiness !== -1, 'memory.swappiness', 'cannot set memory swappiness with cgroup v2'],
    [limits.oomKillDisable === true, 'memory.disableOOMKiller', 'cannot disable OOM killer with cgroup v2'],
    [!!limits.cpuRealtimePeriodUs, 'cpu.realtimePeriod', 'realtime period not supported on cgroup v2'],
    [!!limits.cpuRealtimeRuntimeUs, 'cpu.realtimeRuntime', 'realtime runtime not supported on cgroup v2'],
    [!!limits.blockIoLeafWeight, 'blockIO.leafWeight', 'cannot set leaf weight with cgroup v2'],
    [leaf === true, 'blockIO.weightDevice', 'cannot set leaf weight with cgroup v2'],
    [!!limits.networkClassId, 'network.classID', 'network limits not supported on cgroup v2'],
    [!!limits.networkPriorities?.length, 'network.priorities', 'network limits not supported on cgroup v2'],
  ]
  const found = asked.find(([isAsked]) => isAsked)
  if (found !== undefined) throw new Failure('invalid-argument', `linux.resources.${found[1]}: ${found[2]}`)
}

function memoryWrites(limits: CgroupLimits, state: V2State): FileWrite[] {
  const { memoryBytesMax: limit = 0, memorySwapBytesMax: swap = 0 } = limits
  if (limits.checkMemoryBeforeUpdate && state.memoryBytesUsed !== undefined)
    refuseBelowUsage(limit, swap, state.memoryBytesUsed)
  const writes: FileWrite[] = []
  // The swap limit goes first: lowering the memory limit alone would push pages out into swap that is to be forbidden.
  const swapValue = swapOnly(swap, limit, state)
  if (swapValue === 'max' || swapValue === '0')
    writes.push({ file: 'memory.swap.max', value: swapValue, optional: true }) // without swap both are true anyway
  else if (swapValue !== undefined) writes.push({ file: 'memory.swap.max', value: swapValue })
  if (limit !== 0) writes.push({ file: 'memory.max', value: bytesOrMax(limit) })
  if (limits.memoryReservationBytes)
    writes.push({ file: 'memory.low', value: bytesOrMax(limits.memoryReservationBytes) })
  return writes
}

function bytesOrMax(bytes: number): string {
  return bytes === -1 ? 'max' : decimal(bytes)
}

/** The kernel would reclaim and then kill: who asks for the check does not want that. */
function refuseBelowUsage(limit: number, swap: number, used: bigint): void {
  if (swap > 0 && BigInt(swap) <= used)
    throw new Failure('failed-precondition', `rejecting memory+swap limit ${decimal(swap)} <= usage ${used}`)
  if (limit > 0 && BigInt(limit) <= used)
    throw new Failure('failed-precondition', `rejecting memory limit ${decimal(limit)} <= usage ${used}`)
}

/** Docker counts memory and swap together, v2 swap alone. `now`: the memory limit in force, where only swap is given. */
export function swapOnly(
  total: number,
  limit: number,
  { memoryBytesMax: now }: Pick<V2State, 'memoryBytesMax'>,
): string | undefined {
  if (limit === -1 && total === 0) return 'max' // as v1: no limit at all
  if (total === 0) return undefined
  if (total === -1) return 'max'
  if (limit === -1) return decimal(total)
  const memory = limit === 0 ? now : BigInt(limit)
  if (memory === undefined) throw new Failure('invalid-argument', 'unable to set swap limit without memory limit')
  if (memory < 0n) throw new Failure('invalid-argument', `invalid memory value: ${memory}`)
  if (BigInt(total) < memory) throw new Failure('invalid-argument', 'memory+swap limit should be >= memory limit')
  return String(BigInt(total) - memory)
}

const THROTTLE_KEYS = { 'read-bps': 'rbps', 'write-bps': 'wbps', 'read-iops': 'riops', 'write-iops': 'wiops' } as const

function blockIoWrites(limits: CgroupLimits, { ioWeightFile = 'io.weight' }: V2State): FileWrite[] {
  // bfq's range is v1's, the other one's is v2's.
  const convert = (weight: number) => (ioWeightFile === 'io.bfq.weight' ? weight : weightOfBlockIo(weight))
  return [
    ...(limits.blockIoWeight ? [{ file: ioWeightFile, value: String(convert(limits.blockIoWeight)) }] : []),
    ...(limits.blockIoWeightDevices ?? []).flatMap(({ major, minor, weight }) =>
      weight ? [{ file: ioWeightFile, value: `${major}:${minor} ${convert(weight)}` }] : [],
    ),
    ...(limits.blockIoThrottles ?? []).map(({ kind, major, minor, rate }) => ({
      file: 'io.max',
      value: `${major}:${minor} ${THROTTLE_KEYS[kind]}=${rate === 0 ? 'max' : decimal(rate)}`,
    })),
  ]
}

const DEFAULT_PERIOD_US = 100_000

/** A burst may not exceed the quota: which goes first depends on what is there now. */
function cpuWrites(limits: CgroupLimits, state: V2State): FileWrite[] {
  const { cpuShares: shares = 0, cpuQuotaUs: quota = 0, cpuPeriodUs: period = 0, cpuBurstUs, cpuIdle } = limits
  const writes: FileWrite[] = []
  if (cpuIdle !== undefined) writes.push({ file: 'cpu.idle', value: decimal(cpuIdle) })
  if (shares !== 0) writes.push({ file: 'cpu.weight', value: String(weightOfShares(shares)) })
  if (cpuBurstUs !== undefined)
    writes.push({
      file: 'cpu.max.burst',
      value: decimal(cpuBurstUs),
      ...(quota === 0 ? {} : { deferrable: true }),
    })
  if (quota === 0 && period === 0) return writes
  const [quotaNow = 'max', periodNow = String(DEFAULT_PERIOD_US)] = state.cpuMax?.trim().split(' ') ?? []
  const quotaText = quota === 0 ? quotaNow : quota < 0 ? 'max' : decimal(quota)
  return [...writes, { file: 'cpu.max', value: `${quotaText} ${period === 0 ? periodNow : decimal(period)}` }]
}

/**
 * `unified`, line by line since a file takes one setting a write. Written last: who names files wants exactly that.
 * @throws Failure for a name that is none of a file of the group
 */
export function unifiedWrites({ unified = {} }: CgroupLimits): FileWrite[] {
  return Object.entries(unified).flatMap(([file, value]) => {
    if (file.includes('/') || file === '.' || file === '..' || file.includes('\0'))
      throw new Failure('invalid-argument', `unified resource ${JSON.stringify(file)} must be a file name (no slashes)`)
    if (!file.includes('.'))
      throw new Failure(
        'invalid-argument',
        `unified resource ${JSON.stringify(file)} must be in the form CONTROLLER.PARAMETER`,
      )
    return value.split('\n').flatMap((line) => (line === '' ? [] : [{ file, value: line }]))
  })
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
