// One container's control group, v1 or v2 behind one interface. Implementations: cgroup-v1.ts, cgroup-v2.ts; open-cgroups.ts chooses.
import type { Step } from '../steps.ts'

/** The limits, already checked, in the kernel's units; undefined leaves the kernel's default. */
export interface CgroupLimits {
  memoryBytesMax?: number
  memoryReservationBytes?: number
  /** Memory plus swap, as Docker counts it; -1 unlimited. */
  memorySwapBytesMax?: number
  memorySwappiness?: number
  oomKillDisable?: boolean
  cpuShares?: number
  cpuQuotaUs?: number
  cpuPeriodUs?: number
  cpusetCpus?: string
  cpusetMems?: string
  /** -1 or 0: unlimited. */
  pidsMax?: number
  blockIoWeight?: number
  blockIoLeafWeight?: number
  blockIoWeightDevices?: readonly { major: number; minor: number; weight?: number; leafWeight?: number }[]
  /** Bytes or operations a second; a rate of 0 lifts the limit. */
  blockIoThrottles?: readonly {
    kind: 'read-bps' | 'write-bps' | 'read-iops' | 'write-iops'
    major: number
    minor: number
    rate: number
  }[]
  cpuBurstUs?: number
  /** 1: SCHED_IDLE for the whole group (kernel 5.15). */
  cpuIdle?: number
  cpuRealtimeRuntimeUs?: number
  cpuRealtimePeriodUs?: number
  kernelMemoryTcpBytes?: number
  /** By page size as the kernel names it in the files, `2MB`. */
  hugepageBytes?: Readonly<Record<string, number>>
  networkClassId?: number
  networkPriorities?: readonly { name: string; priority: number }[]
  rdma?: Readonly<Record<string, { hcaHandles?: number; hcaObjects?: number }>>
  /** v2 only: file by file, written last; a key with a slash, or of a controller that is not there, is refused. */
  unified?: Readonly<Record<string, string>>
  /** Refuse a new memory limit below what is in use now. */
  checkMemoryBeforeUpdate?: boolean
  devices?: readonly {
    allow: boolean
    type: 'a' | 'b' | 'c'
    major: number | undefined
    minor: number | undefined
    access: string
  }[]
}

/** Counters in the kernel's units; a missing controller leaves its numbers undefined. */
export interface CgroupStats {
  cpu: {
    usageNs: bigint
    userNs: bigint
    systemNs: bigint
    perCpuNs: bigint[] | undefined
    periods: bigint
    throttledPeriods: bigint
    throttledNs: bigint
  }
  memory:
    | {
        usageBytes: bigint
        maxUsageBytes: bigint | undefined
        limitBytes: bigint
        failures: bigint
        stat: Record<string, bigint>
      }
    | undefined
  pids: { current: bigint; limit: bigint | undefined } | undefined
  blockIo: { major: number; minor: number; operation: string; bytes: bigint; operations: bigint }[]
  oomKills: number
}

export interface CgroupEntrance {
  steps: Step[]
  directory: string | undefined
  /** v1: where this group is in each hierarchy; `name` is the hierarchy's directory below /sys/fs/cgroup. */
  hierarchies: readonly { name: string; directory: string }[]
}

/** A group that exists or will; `path` is relative to each hierarchy's root, `/docker/<id>`. */
export interface Cgroup {
  readonly version: 1 | 2
  readonly path: string
  /** Makes the directories and sets the limits. Undoes itself on failure; safe to repeat. */
  create(limits: CgroupLimits): void
  /** Live update; only what is given changes. */
  update(limits: CgroupLimits): void
  /** The steps by which a child enters (v1), or the directory for CLONE_INTO_CGROUP (v2). */
  entry(): CgroupEntrance
  freeze(): Promise<void>
  thaw(): Promise<void>
  isFrozen(): boolean
  stats(): CgroupStats
  /** Kills by the OOM killer so far; 0 where the group or the controller is not there. Cheap: one file. */
  oomKills(): number
  pids(): number[]
  /** SIGKILL to all, through cgroup.kill where there is one. */
  killAll(): void
  /** Waits, bounded, until the directories can be removed. A group that is not there is no error. */
  remove(): Promise<void>
}
