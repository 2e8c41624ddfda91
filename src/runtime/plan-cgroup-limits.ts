// A spec's resources in the units and names of linux/cgroup (config-linux.md, "Control groups").
import type { CgroupLimits } from '../linux/cgroup/cgroup.ts'
import type { DeviceRule, ResourcesSpec } from '../oci/runtime-spec.ts'

/** Only what the spec gives is in the result, so that an update changes nothing else. */
export function planCgroupLimits(resources: ResourcesSpec | undefined): CgroupLimits {
  const { memory, cpu, pids, blockIO, devices } = resources ?? {}
  return withoutUndefined({
    memoryBytesMax: memory?.limit,
    memoryReservationBytes: memory?.reservation,
    memorySwapBytesMax: memory?.swap,
    memorySwappiness: memory?.swappiness,
    oomKillDisable: memory?.disableOOMKiller,
    cpuShares: cpu?.shares,
    cpuQuotaUs: cpu?.quota,
    cpuPeriodUs: cpu?.period,
    cpusetCpus: cpu?.cpus,
    cpusetMems: cpu?.mems,
    pidsMax: pids?.limit,
    blockIoWeight: blockIO?.weight,
    devices: devices && [...devices, ...DEFAULT_RULES].map(deviceRule),
  })
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
