// One container's control group, v1 or v2 behind one interface. Implementations: cgroup-v1.ts, cgroup-v2.ts; open-cgroups.ts chooses.
import type { Step } from '../steps.ts'
import type { CgroupStats, StatsScope } from './cgroup-stats.ts'

export type { CgroupStats } from './cgroup-stats.ts'

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

export interface CgroupEntrance {
  steps: Step[]
  directory: string | undefined
  /** v1: where this group is in each hierarchy; `name` is the hierarchy's directory below /sys/fs/cgroup. */
  hierarchies: readonly { name: string; directory: string }[]
  /** The process may not enter by itself (a user's systemd moves it): whoever makes it calls `add` while it waits. */
  byAdd?: boolean
}

/** `exec --cgroup`: paths below the group, by v1 controller; the key '' stands for all of them, and for v2's only one. */
export type Subgroups = Readonly<Record<string, string>>

/** Enough to find the group again: what a runtime keeps on disk. */
export interface CgroupRecord {
  version: 1 | 2
  path: string
  /** Directories as runc's `cgroup_paths` has them: by v1 controller or `name=systemd`; the unified tree's key is ''. */
  paths: Readonly<Record<string, string>>
  rootless: boolean
  /** The unit that holds the group, where systemd does. */
  systemd?: { unit: string; isUser: boolean }
}

/** A group that exists or will; `path` is relative to each hierarchy's root, `/docker/<id>`. */
export interface Cgroup {
  readonly version: 1 | 2
  readonly path: string
  /** Makes the directories and sets the limits. Undoes itself on failure; safe to repeat. */
  create(limits: CgroupLimits): Promise<void>
  /** The first process is in. What held the group open until then goes: a systemd scope ends with its last process. */
  settle(): void
  /** Live update; only what is given changes. */
  update(limits: CgroupLimits): Promise<void>
  /** The steps by which a child enters (v1), or the directory for CLONE_INTO_CGROUP (v2). */
  entry(): CgroupEntrance
  /**
   * The same for a further process. Where v2 takes no process because it has passed its controllers on to groups below, the process
   * goes where the first one is.
   */
  execEntry(request: { initPid: number; subgroups?: Subgroups }): CgroupEntrance
  /** Moves another process in, with all its threads. */
  add(pid: number, subgroups?: Subgroups): Promise<void>
  exists(): boolean
  freeze(): Promise<void>
  thaw(): Promise<void>
  isFrozen(): boolean
  stats(scope?: StatsScope): CgroupStats
  /** Kills by the OOM killer so far; 0 where the group or the controller is not there. Cheap: one file. */
  oomKills(): number
  /**
   * Calls `onKill` after each time that the OOM killer came (several kills may be one call), and `onGone` once when the group is gone or,
   * with v2, empty. Does not keep the process alive by itself. Throws where memory is not accounted.
   */
  watchOom(onKill: () => void, onGone?: () => void): { close(): void }
  pids(): number[]
  /** SIGKILL to all, through cgroup.kill where there is one. */
  killAll(): void
  /** Waits, bounded, until the directories can be removed. A group that is not there is no error. */
  remove(): Promise<void>
  describe(): CgroupRecord
}
