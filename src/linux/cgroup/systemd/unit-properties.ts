// Limits as properties of a unit (systemd.resource-control(5)), so that systemd does not set back what is written beside it. Pure.
import { Failure } from '../../../base/failure.ts'
import type { CgroupLimits } from '../cgroup.ts'
import { swapOnly, unifiedWrites, weightOfBlockIo, weightOfShares } from '../v2-writes.ts'
import type { DbusValue } from './dbus-values.ts'
import { deviceProperties } from './device-properties.ts'

export interface UnitProperty {
  name: string
  signature: string
  value: DbusValue
}

export interface UnitHost {
  cgroupVersion: 1 | 2
  systemdVersion: number
  /** memory.max as it is, where swap is given without a limit beside it. */
  memoryBytesMax: bigint | undefined
}

export const INFINITY = 2n ** 64n - 1n
const DEFAULT_PERIOD_US = 100_000

/** What a systemd of some version can say; what it cannot is still written to the group. */
const SINCE = { quotaPeriod: 242, cpuset: 244, cpuIdle: 252, oomPolicy: 253 }

/** `limits`: the same, but a quota that systemd rounds is rounded here, too, lest the two write different numbers. */
export function planUnitProperties(
  limits: CgroupLimits,
  host: UnitHost,
): { properties: UnitProperty[]; limits: CgroupLimits } {
  const quota = planQuota(limits.cpuQuotaUs ?? 0, limits.cpuPeriodUs ?? 0, host)
  const isV2 = host.cgroupVersion === 2
  return {
    properties: [
      ...deviceProperties(limits.devices, host),
      ...(isV2 ? memoryV2(limits, host) : memoryV1(limits)),
      ...cpuWeight(limits, host),
      ...quota.properties,
      ...blockIoWeight(limits, isV2),
      ...(limits.pidsMax === undefined
        ? []
        : [unsigned('TasksMax', limits.pidsMax > 0 ? BigInt(limits.pidsMax) : INFINITY)]),
      ...cpusets(limits.cpusetCpus, limits.cpusetMems, host, 'linux.resources.cpu'),
      ...(isV2 ? unified(limits, host) : []),
    ],
    limits: quota.quotaUs === undefined ? limits : { ...limits, cpuQuotaUs: quota.quotaUs },
  }
}

/** What can only be said when the unit is made. */
export function planBirthProperties(limits: CgroupLimits, host: UnitHost): UnitProperty[] {
  const group = limits.unified?.['memory.oom.group']
  if (host.cgroupVersion === 1 || group === undefined || host.systemdVersion < SINCE.oomPolicy) return []
  const policy = { 0: 'continue', 1: 'kill' }[group.trim()]
  return policy === undefined ? [] : [{ name: 'OOMPolicy', signature: 's', value: policy }]
}

function memoryV1({ memoryBytesMax }: CgroupLimits): UnitProperty[] {
  return memoryBytesMax ? [bytes('MemoryLimit', memoryBytesMax)] : []
}

function memoryV2(limits: CgroupLimits, { memoryBytesMax: now }: UnitHost): UnitProperty[] {
  const { memoryBytesMax: limit = 0, memoryReservationBytes: reservation = 0, memorySwapBytesMax = 0 } = limits
  const swap = swapOnly(memorySwapBytesMax, limit, { memoryBytesMax: now })
  return [
    ...(limit === 0 ? [] : [bytes('MemoryMax', limit)]),
    ...(reservation === 0 ? [] : [bytes('MemoryLow', reservation)]),
    ...(swap === undefined ? [] : [unsigned('MemorySwapMax', swap === 'max' ? INFINITY : BigInt(swap))]),
  ]
}

/** A weight of 0 is systemd's word for SCHED_IDLE; besides that a weight means nothing. */
function cpuWeight({ cpuShares: shares, cpuIdle }: CgroupLimits, host: UnitHost): UnitProperty[] {
  if (host.cgroupVersion === 1) return shares ? [unsigned('CPUShares', BigInt(shares))] : []
  if (cpuIdle === 1 && host.systemdVersion >= SINCE.cpuIdle) return [unsigned('CPUWeight', 0n)]
  return shares ? [unsigned('CPUWeight', BigInt(weightOfShares(shares)))] : []
}

interface Quota {
  properties: UnitProperty[]
  quotaUs: number | undefined
}

/** systemd counts in microseconds of processor time a second, and in whole percents: what lies between is rounded up. */
function planQuota(quotaUs: number, periodUs: number, host: UnitHost): Quota {
  if (quotaUs === 0 && periodUs === 0) return { properties: [], quotaUs: undefined }
  const properties: UnitProperty[] = []
  if (periodUs !== 0 && host.systemdVersion >= SINCE.quotaPeriod)
    properties.push(unsigned('CPUQuotaPeriodUSec', BigInt(periodUs)))
  if (quotaUs <= 0) {
    properties.push(unsigned('CPUQuotaPerSecUSec', INFINITY))
    return { properties, quotaUs: undefined }
  }
  const period = periodUs === 0 ? DEFAULT_PERIOD_US : periodUs
  const exact = (BigInt(quotaUs) * 1_000_000n) / BigInt(period)
  const perSecond = ((exact + 9_999n) / 10_000n) * 10_000n
  properties.push(unsigned('CPUQuotaPerSecUSec', perSecond))
  return { properties, quotaUs: perSecond === exact ? undefined : Number((perSecond * BigInt(period)) / 1_000_000n) }
}

function blockIoWeight({ blockIoWeight: weight }: CgroupLimits, isV2: boolean): UnitProperty[] {
  if (!weight) return []
  return [isV2 ? unsigned('IOWeight', BigInt(weightOfBlockIo(weight))) : unsigned('BlockIOWeight', BigInt(weight))]
}

function cpusets(
  cpus: string | undefined,
  mems: string | undefined,
  { systemdVersion }: UnitHost,
  field: string,
): UnitProperty[] {
  if (systemdVersion < SINCE.cpuset) return []
  return [
    ...(cpus ? [{ name: 'AllowedCPUs', signature: 'ay', value: bitsOfList(cpus, `${field}.cpus`) }] : []),
    ...(mems ? [{ name: 'AllowedMemoryNodes', signature: 'ay', value: bitsOfList(mems, `${field}.mems`) }] : []),
  ]
}

const BITS_MAX = 1 << 16

/** `0-2,5`, a bit each, least first. */
export function bitsOfList(list: string, field: string): Uint8Array {
  const bits: number[] = []
  for (const part of list.split(',').map((each) => each.trim())) {
    if (part === '') continue
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? []
    if (first === undefined || last === undefined || Number(first) > Number(last) || Number(last) >= BITS_MAX)
      throw new Failure(
        'invalid-argument',
        `${field}: ${JSON.stringify(list)} conversion error: invalid range: ${part}`,
      )
    for (let bit = Number(first); bit <= Number(last); bit++) bits[bit >> 3] = (bits[bit >> 3] ?? 0) | (1 << (bit & 7))
  }
  if (bits.length === 0)
    throw new Failure('invalid-argument', `${field}: ${JSON.stringify(list)} conversion error: empty value`)
  return Uint8Array.from(Array.from(bits, (byte) => byte ?? 0))
}

const UNIFIED_BYTES: Record<string, string> = {
  'memory.high': 'MemoryHigh',
  'memory.low': 'MemoryLow',
  'memory.min': 'MemoryMin',
  'memory.max': 'MemoryMax',
  'memory.swap.max': 'MemorySwapMax',
  'pids.max': 'TasksMax',
}

/** Those of `unified` that systemd has a word for; the others are only written. */
function unified(limits: CgroupLimits, host: UnitHost): UnitProperty[] {
  unifiedWrites(limits) // refuses names that are none
  const isIdle = limits.unified?.['cpu.idle']?.trim() === '1' && host.systemdVersion >= SINCE.cpuIdle
  return Object.entries(limits.unified ?? {}).flatMap(([key, text]): UnitProperty[] => {
    const value = text.trim()
    const asBytes = UNIFIED_BYTES[key]
    if (asBytes !== undefined) {
      const number = value === 'max' ? INFINITY : requireNumber(key, value)
      return [unsigned(asBytes, asBytes === 'TasksMax' && number === 0n ? 1n : number)] // TasksMax=0 is not taken
    }
    switch (key) {
      case 'cpu.idle':
        return isIdle ? [unsigned('CPUWeight', 0n)] : []
      case 'cpu.weight':
        return isIdle ? [] : [unsigned('CPUWeight', requireNumber(key, value))]
      case 'cpu.max': {
        const [quota = '', period = String(DEFAULT_PERIOD_US), ...more] = value.split(/\s+/)
        if (more.length > 0 || quota === '') throw wrongUnified(key, value)
        const quotaUs = quota === 'max' ? -1 : Number(requireNumber(key, quota))
        return planQuota(quotaUs, Number(requireNumber(key, period)), host).properties
      }
      case 'cpuset.cpus':
        return cpusets(value, undefined, host, `unified resource ${JSON.stringify(key)}`)
      case 'cpuset.mems':
        return cpusets(undefined, value, host, `unified resource ${JSON.stringify(key)}`)
      default:
        return []
    }
  })
}

function requireNumber(key: string, value: string): bigint {
  if (!/^\d{1,19}$/.test(value)) throw wrongUnified(key, value)
  return BigInt(value)
}

function wrongUnified(key: string, value: string): Failure {
  return new Failure(
    'invalid-argument',
    `unified resource ${JSON.stringify(key)} value conversion error: ${JSON.stringify(value)}`,
  )
}

function bytes(name: string, value: number): UnitProperty {
  return unsigned(name, value < 0 ? INFINITY : BigInt(value))
}

export function unsigned(name: string, value: bigint): UnitProperty {
  return { name, signature: 't', value }
}
