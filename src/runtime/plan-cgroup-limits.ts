// A spec's resources in the units and names of linux/cgroup (config-linux.md, "Control groups").
import { Failure } from '../base/failure.ts'
import type { CgroupLimits } from '../linux/cgroup/cgroup.ts'
import type { DeviceRule, ResourcesSpec, ThrottleDevice } from '../oci/runtime-spec.ts'

type Throttles = NonNullable<CgroupLimits['blockIoThrottles']>

/** Only what the spec gives is in the result, so that an update changes nothing else. Throws Failure('invalid-argument') naming the field. */
export function planCgroupLimits(resources: ResourcesSpec | undefined): CgroupLimits {
  const { memory, cpu, pids, devices, network, rdma, unified } = resources ?? {}
  return withoutUndefined({
    memoryBytesMax: memory?.limit,
    memoryReservationBytes: memory?.reservation,
    memorySwapBytesMax: memory?.swap,
    memorySwappiness: memory?.swappiness,
    oomKillDisable: memory?.disableOOMKiller,
    kernelMemoryTcpBytes: memory?.kernelTCP,
    checkMemoryBeforeUpdate: memory?.checkBeforeUpdate,
    cpuShares: cpu?.shares,
    cpuQuotaUs: cpu?.quota,
    cpuPeriodUs: cpu?.period,
    cpuBurstUs: cpu?.burst,
    cpuIdle: cpu?.idle,
    cpuRealtimeRuntimeUs: cpu?.realtimeRuntime,
    cpuRealtimePeriodUs: cpu?.realtimePeriod,
    cpusetCpus: cpu?.cpus,
    cpusetMems: cpu?.mems,
    pidsMax: pids?.limit,
    ...blockIoLimits(resources?.blockIO ?? {}),
    hugepageBytes: hugepageBytes(resources?.hugepageLimits),
    networkClassId: network?.classID,
    networkPriorities: network?.priorities?.map((entry, index) => {
      requireWord(entry.name, `linux.resources.network.priorities[${index}].name`)
      return entry
    }),
    rdma: rdmaLimits(rdma),
    unified,
    devices: devices && [...devices, ...DEFAULT_RULES].map(deviceRule),
  })
}

/** For a new group, where a spec that says nothing of devices allows the default ones alone, and rules count from there. */
export function planFirstCgroupLimits(resources: ResourcesSpec | undefined): CgroupLimits {
  return planCgroupLimits({ ...resources, devices: [{ allow: false, access: 'rwm' }, ...(resources?.devices ?? [])] })
}

/** What the spec gives and what no kernel of today does any more: to be told, and passed over, as runc does. */
export function ignoredResources(resources: ResourcesSpec | undefined): string[] {
  const { kernel, kernelTCP } = resources?.memory ?? {}
  return kernel === undefined && kernelTCP === undefined
    ? []
    : ['Kernel memory settings are ignored and will be removed']
}

function blockIoLimits(blockIO: NonNullable<ResourcesSpec['blockIO']>): Partial<CgroupLimits> {
  const throttles = (kind: Throttles[number]['kind'], devices: ThrottleDevice[] = []): Throttles =>
    devices.map(({ major, minor, rate }) => ({ kind, major, minor, rate }))
  const all = [
    ...throttles('read-bps', blockIO.throttleReadBpsDevice),
    ...throttles('write-bps', blockIO.throttleWriteBpsDevice),
    ...throttles('read-iops', blockIO.throttleReadIOPSDevice),
    ...throttles('write-iops', blockIO.throttleWriteIOPSDevice),
  ]
  return withoutUndefined({
    blockIoWeight: blockIO.weight,
    blockIoLeafWeight: blockIO.leafWeight,
    blockIoWeightDevices: blockIO.weightDevice,
    blockIoThrottles: all.length === 0 ? undefined : all,
  })
}

/** A page size becomes part of a file's name. */
function hugepageBytes(limits: ResourcesSpec['hugepageLimits']): Record<string, number> | undefined {
  if (limits === undefined) return undefined
  const entries = limits.map(({ pageSize, limit }, index) => {
    if (!/^[1-9]\d*[KMG]B$/.test(pageSize))
      throw new Failure(
        'invalid-argument',
        `linux.resources.hugepageLimits[${index}].pageSize: ${JSON.stringify(pageSize)} is not of the form 2MB`,
      )
    return [pageSize, limit] as const
  })
  return Object.fromEntries(entries)
}

function rdmaLimits(rdma: ResourcesSpec['rdma']): CgroupLimits['rdma'] {
  for (const [device, limits] of Object.entries(rdma ?? {})) {
    requireWord(device, 'linux.resources.rdma')
    if (limits.hcaHandles === undefined && limits.hcaObjects === undefined)
      throw new Failure(
        'invalid-argument',
        `linux.resources.rdma.${device}: neither hcaHandles nor hcaObjects is given`,
      )
  }
  return rdma
}

/** What stands beside other words in one write. */
function requireWord(name: string, field: string): void {
  if (!/^\S+$/.test(name))
    throw new Failure('invalid-argument', `${field}: ${JSON.stringify(name)} is not a device name`)
}

/**
 * What every container may use, whatever its spec says (config-linux.md, "Default Devices"): making nodes harms nobody,
 * using them is another matter; the last four are terminals.
 */
const DEFAULT_RULES: readonly DeviceRule[] = [
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...[3, 5, 7, 8, 9].map((minor) => ({ allow: true, type: 'c', major: 1, minor, access: 'rwm' }) as const),
  { allow: true, type: 'c', major: 5, minor: 0, access: 'rwm' },
  { allow: true, type: 'c', major: 5, minor: 1, access: 'rwm' },
  { allow: true, type: 'c', major: 5, minor: 2, access: 'rwm' },
  { allow: true, type: 'c', major: 136, access: 'rwm' },
]

/** An absent major or minor means every one. */
function deviceRule(rule: DeviceRule): NonNullable<CgroupLimits['devices']>[number] {
  const any = (number: number | undefined) => (number === undefined || number < 0 ? undefined : number)
  return {
    allow: rule.allow,
    type: rule.type ?? 'a',
    major: any(rule.major),
    minor: any(rule.minor),
    access: rule.access ?? 'rwm',
  }
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Defined<T>
}
