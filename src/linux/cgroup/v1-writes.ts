// Which files of a v1 group take which value, in the order that the kernel accepts. Pure: what is there now comes in.
import { Failure } from '../../base/failure.ts'
import type { CgroupLimits } from './cgroup.ts'
import { decideDevices, type DeviceDecision } from './device-program.ts'
import type { FileWrite } from './group-files.ts'

type DeviceRule = NonNullable<CgroupLimits['devices']>[number]

export interface ControllerWrite extends FileWrite {
  controller: string
}

/** What decides about the order of writes, and about whether a file is there at all. */
export interface V1State {
  /** memory.memsw.limit_in_bytes; undefined where swap is not accounted. */
  memorySwapBytesMax: bigint | undefined
  /** blkio.bfq.weight or blkio.weight, whichever the scheduler has. */
  blockIoWeightFile: string | undefined
  /** devices.list, where device rules are given. */
  devices: string | undefined
}

/** A zero means "not given" throughout, as in Docker's API. */
export function writesForV1(limits: CgroupLimits, state: V1State): ControllerWrite[] {
  if (limits.unified !== undefined && Object.keys(limits.unified).length > 0)
    throw new Failure('invalid-argument', 'invalid configuration: cannot use unified on cgroup v1')
  return [
    ...memoryWrites(limits, state),
    ...cpuWrites(limits),
    ...cpusetAndPidsWrites(limits),
    ...blockIoWrites(limits, state),
    ...otherWrites(limits),
    ...deviceWrites(limits, state.devices),
  ]
}

/**
 * The kernel holds limit <= memsw at every moment: when both go up, memsw goes first, when down, the limit does.
 */
function memoryWrites(limits: CgroupLimits, state: V1State): ControllerWrite[] {
  const { memoryBytesMax: limit = 0, memorySwapBytesMax: swap = 0, memorySwappiness: swappiness } = limits
  const limitWrite = limit === 0 ? [] : [memory('limit_in_bytes', limit)]
  const swapWrite = swap === 0 ? [] : [memory('memsw.limit_in_bytes', swap)]
  // No memory limit means no swap limit either, where swap is accounted at all.
  if (limit === -1 && swap === 0 && state.memorySwapBytesMax !== undefined)
    swapWrite.push(memory('memsw.limit_in_bytes', -1))
  const swapFirst = limit === -1 || (state.memorySwapBytesMax ?? 0n) < BigInt(limit)
  const writes = swapFirst ? [...swapWrite, ...limitWrite] : [...limitWrite, ...swapWrite]
  if (limits.memoryReservationBytes) writes.push(memory('soft_limit_in_bytes', limits.memoryReservationBytes))
  // Gone from newer kernels, and without a successor.
  if (limits.kernelMemoryTcpBytes)
    writes.push({ ...memory('kmem.tcp.limit_in_bytes', limits.kernelMemoryTcpBytes), optional: true })
  if (limits.oomKillDisable === true) writes.push(memory('oom_control', 1))
  if (swappiness === undefined || swappiness === -1) return writes
  if (swappiness < 0 || swappiness > 100)
    throw new Failure('invalid-argument', `invalid memory swappiness value: ${swappiness} (valid range is 0-100)`)
  return [...writes, memory('swappiness', swappiness)]
}

function memory(file: string, value: number): ControllerWrite {
  return { controller: 'memory', file: `memory.${file}`, value: decimal(value) }
}

const SHARES_MIN = 2
const SHARES_MAX = 262_144

/**
 * A quota may not exceed what the period in force allows, nor a burst the quota: which goes first depends on what is there now, so the
 * quota's companions may be tried again after it. The real-time pair is alike.
 */
function cpuWrites(limits: CgroupLimits): ControllerWrite[] {
  const { cpuShares: shares = 0, cpuQuotaUs: quota = 0, cpuPeriodUs: period = 0, cpuBurstUs, cpuIdle } = limits
  const { cpuRealtimeRuntimeUs: runtime = 0, cpuRealtimePeriodUs: realtimePeriod = 0 } = limits
  // The kernel would move it into the range and say nothing.
  if (shares !== 0 && shares < SHARES_MIN)
    throw new Failure('invalid-argument', `the minimum allowed cpu-shares is ${SHARES_MIN}`)
  if (shares > SHARES_MAX) throw new Failure('invalid-argument', `the maximum allowed cpu-shares is ${SHARES_MAX}`)
  const cpu = (file: string, value: number | undefined, waitsFor = 0): ControllerWrite[] =>
    value === undefined
      ? []
      : [
          {
            controller: 'cpu',
            file: `cpu.${file}`,
            value: decimal(value),
            ...(waitsFor === 0 ? {} : { deferrable: true }),
          },
        ]
  return [
    ...cpu('shares', shares || undefined),
    ...cpu('cfs_period_us', period || undefined, quota),
    ...cpu('cfs_burst_us', cpuBurstUs, quota),
    ...cpu('cfs_quota_us', quota || undefined),
    ...cpu('idle', cpuIdle),
    ...cpu('rt_period_us', realtimePeriod || undefined, runtime),
    ...cpu('rt_runtime_us', runtime || undefined),
  ]
}

function cpusetAndPidsWrites({ cpusetCpus, cpusetMems, pidsMax }: CgroupLimits): ControllerWrite[] {
  const writes: ControllerWrite[] = []
  if (cpusetCpus) writes.push({ controller: 'cpuset', file: 'cpuset.cpus', value: cpusetCpus })
  if (cpusetMems) writes.push({ controller: 'cpuset', file: 'cpuset.mems', value: cpusetMems })
  if (pidsMax !== undefined)
    writes.push({ controller: 'pids', file: 'pids.max', value: pidsMax > 0 ? decimal(pidsMax) : 'max' })
  return writes
}

const THROTTLE_FILES = {
  'read-bps': 'blkio.throttle.read_bps_device',
  'write-bps': 'blkio.throttle.write_bps_device',
  'read-iops': 'blkio.throttle.read_iops_device',
  'write-iops': 'blkio.throttle.write_iops_device',
} as const

function blockIoWrites(limits: CgroupLimits, state: V1State): ControllerWrite[] {
  const blkio = (file: string, value: string): ControllerWrite => ({ controller: 'blkio', file, value })
  const weightFile = state.blockIoWeightFile ?? 'blkio.weight'
  return [
    ...(limits.blockIoWeight ? [blkio(weightFile, decimal(limits.blockIoWeight))] : []),
    ...(limits.blockIoLeafWeight ? [blkio('blkio.leaf_weight', decimal(limits.blockIoLeafWeight))] : []),
    ...(limits.blockIoWeightDevices ?? []).flatMap(({ major, minor, weight, leafWeight }) => [
      ...(weight ? [blkio(`${weightFile}_device`, `${major}:${minor} ${weight}`)] : []),
      ...(leafWeight ? [blkio('blkio.leaf_weight_device', `${major}:${minor} ${leafWeight}`)] : []),
    ]),
    ...(limits.blockIoThrottles ?? []).map(({ kind, major, minor, rate }) =>
      blkio(THROTTLE_FILES[kind], `${major}:${minor} ${decimal(rate)}`),
    ),
  ]
}

function otherWrites(limits: CgroupLimits): ControllerWrite[] {
  const { networkClassId, networkPriorities = [] } = limits
  return [
    ...Object.entries(limits.hugepageBytes ?? {}).flatMap(([size, bytes]): ControllerWrite[] => [
      { controller: 'hugetlb', file: `hugetlb.${size}.limit_in_bytes`, value: decimal(bytes) },
      // Reservations are counted from kernel 5.7 on: a mapping would be refused only when it is touched, by SIGBUS.
      { controller: 'hugetlb', file: `hugetlb.${size}.rsvd.limit_in_bytes`, value: decimal(bytes), optional: true },
    ]),
    ...(networkClassId ? [{ controller: 'net_cls', file: 'net_cls.classid', value: decimal(networkClassId) }] : []),
    ...networkPriorities.map(({ name, priority }) => ({
      controller: 'net_prio',
      file: 'net_prio.ifpriomap',
      value: `${name} ${priority}`,
    })),
    ...rdmaWrites(limits).map((write) => ({ controller: 'rdma', ...write })),
  ]
}

/** The same file with v1 and v2. */
export function rdmaWrites({ rdma = {} }: CgroupLimits): FileWrite[] {
  return Object.entries(rdma).map(([device, { hcaHandles, hcaObjects }]) => ({
    file: 'rdma.max',
    value: [
      device,
      ...(hcaHandles === undefined ? [] : [`hca_handle=${hcaHandles}`]),
      ...(hcaObjects === undefined ? [] : [`hca_object=${hcaObjects}`]),
    ].join(' '),
  }))
}

/**
 * The kernel's lists work in the order of the writes, just as the rules of the spec do. But where a list of allowances replaces one, only
 * the difference is written: a running process never finds its devices denied in between, and a group with groups below it would not take
 * the denial of everything.
 */
function deviceWrites({ devices }: CgroupLimits, list: string | undefined): ControllerWrite[] {
  if (devices === undefined) return []
  const wanted = decideDevices(devices)
  const now = list === undefined ? undefined : parseDevicesList(list)
  if (now === undefined || now.allowByDefault || wanted.allowByDefault)
    return devices.map((rule) => deviceWrite(rule.allow, rule.type === 'a' ? 'a' : `${deviceOf(rule)} ${rule.access}`))
  return [...differences(wanted, now, true), ...differences(now, wanted, false)]
}

function deviceWrite(allow: boolean, value: string): ControllerWrite {
  return { controller: 'devices', file: allow ? 'devices.allow' : 'devices.deny', value }
}

/** What `left` has and `right` has not. */
function differences(left: DeviceDecision, right: DeviceDecision, allow: boolean): ControllerWrite[] {
  const there = new Map(right.exceptions.map((exception) => [deviceOf(exception), exception.access]))
  return left.exceptions.flatMap((exception) => {
    const access = exception.access & ~(there.get(deviceOf(exception)) ?? 0)
    return access === 0 ? [] : [deviceWrite(allow, `${deviceOf(exception)} ${lettersOf(access)}`)]
  })
}

function deviceOf(device: { type: 'a' | 'b' | 'c'; major: number | undefined; minor: number | undefined }): string {
  return `${device.type} ${device.major ?? '*'}:${device.minor ?? '*'}`
}

function lettersOf(access: number): string {
  return (access & 2 ? 'r' : '') + (access & 4 ? 'w' : '') + (access & 1 ? 'm' : '')
}

/** `c 1:3 rwm` a line; `a *:* rwm` where everything is allowed but what cannot be read here. */
function parseDevicesList(text: string): DeviceDecision {
  const number = (part: string) => (part === '*' ? undefined : Number(part))
  const rules = [...text.matchAll(/^([abc]) (\*|\d+):(\*|\d+) ([rwm]+)$/gm)].map(
    ([, type, major = '*', minor = '*', access = '']): DeviceRule => ({
      allow: true,
      type: type === 'b' || type === 'c' ? type : 'a',
      major: number(major),
      minor: number(minor),
      access,
    }),
  )
  const nothing: DeviceRule = { allow: false, type: 'a', major: undefined, minor: undefined, access: 'rwm' }
  return decideDevices([nothing, ...rules])
}

/** Without an exponent, which the kernel does not read. */
export function decimal(value: number): string {
  return BigInt(value).toString()
}
