// What the planner needs to know of the host and of the image, gathered before by the caller, so that planning stays pure.
import type { IdMapping, NamespaceType, ProcessSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import type { ProcessPlan } from '../linux/steps.ts'

export interface HostFacts {
  arch: 'x86_64' | 'aarch64'
  cgroupVersion: 1 | 2
  /** Bit mask of the capabilities this process could hand on: its own permitted set. */
  capabilities: bigint
  /** The highest capability the kernel knows (/proc/sys/kernel/cap_last_cap). */
  lastCapability: number
  /** /proc/kcore exists, so that /dev/core may point to it. */
  hasKcore?: boolean
  /** /sys/kernel/security/lsm or what stands for it. Absent: neither. */
  hasAppArmor?: boolean
  hasSelinux?: boolean
  /** Mounted resctrl file system, where there is one. */
  resctrl?: string
  /** We are in a user namespace that refuses setgroups(2). */
  deniesSetgroups?: boolean
}

/** Files of the container's root file system, read by descriptor, bounded and regular only; undefined where absent. */
export interface RootfsFacts {
  passwd: string | undefined
  group: string | undefined
  /** Modes of the directories over which the spec mounts a tmpfs, by destination: the tmpfs gets the same. */
  modes?: ReadonlyMap<string, number>
  /** What the sources of bind mounts are on the host: a missing target is made of the same kind. Unknown means a directory. */
  sources?: ReadonlyMap<string, 'directory' | 'file'>
  /** Destinations of tmpcopyup mounts that are directories with something in them. */
  copiedUp?: ReadonlySet<string>
  /** Sources of bind mounts that are the root of a procfs. */
  procfs?: ReadonlySet<string>
  /** Namespaces that the spec joins by path and that are the runtime's own after all. */
  hostNamespaces?: ReadonlySet<NamespaceType>
  /** The id maps of the user namespace that the spec joins, where they can be read. */
  joinedMaps?: { uid: readonly IdMapping[]; gid: readonly IdMapping[] }
}

/** How the child enters its cgroup, as linux/cgroup says. */
export interface CgroupEntry {
  steps: ProcessPlan['steps']
  directory: string | undefined
  /** The container's own group in each v1 hierarchy, for a mount of type cgroup: name below /sys/fs/cgroup, directory on the host. */
  hierarchies?: readonly { name: string; directory: string }[]
}

/** A plan with a sentence for each step, index for index, for errors and for people. */
export interface DescribedPlan {
  plan: ProcessPlan
  /** `mount "proc" to "/proc"`, …; an error is `<sentence>: <errno text>` in runc's words where callers know them. */
  sentences: readonly string[]
  /** What the spec asks for and does not get, by the specification's leave: for the log. */
  warnings?: readonly string[]
}

/** How the process is made and by whom. Absent: by berth-shim, which a daemon talks to. */
export interface Launch {
  /** Where the created process waits. `fifo`: paths on the host of the two FIFOs of `await-fifo`. */
  wait: 'channel' | { fifo: string; status: string }
  /** A unix socket on the host that gets the terminal's master (`--console-socket`); absent: CONSOLE_SOCKET_SLOT holds one already. */
  consoleSocket?: string
  /** Descriptors 3 to 2 + n of the caller stay open in the container (`--preserve-fds`, LISTEN_FDS). */
  preservedDescriptors: number
  /** The root file system's directory on the host, opened by the plan itself; absent where ROOTFS_SLOT is filled. */
  rootfsSource?: string
  /** An ordinary user: nothing on the host can be prepared before the user namespace gives the capabilities for it. */
  rootless: boolean
  noPivot: boolean
  noNewKeyring: boolean
  /** berth-shim makes it after all, which takes the terminal's master over its channel. */
  byShim?: boolean
}

/** Throws Failure('invalid-argument') naming the field. */
export type PlanContainer = (input: {
  id: string
  spec: RuntimeSpec
  host: HostFacts
  rootfs: RootfsFacts
  /** Host directory onto which ROOTFS_SLOT is moved before pivot_root; exists, empty. */
  rootfsDirectory: string
  cgroup: CgroupEntry
  stdin: boolean
  launch?: Launch
}) => DescribedPlan

/** A further process in a running container (exec). */
export type PlanExec = (input: {
  spec: RuntimeSpec
  process: ProcessSpec
  host: HostFacts
  rootfs: RootfsFacts
  cgroup: CgroupEntry
  stdin: boolean
  /** The container's, whose session keyring the process gets; absent: it keeps that of its spawner. */
  id?: string
  /** The container's first process, on the host; needed where its root is not that of a mount namespace made for it. */
  initPid?: number
  launch?: Pick<Launch, 'wait' | 'consoleSocket' | 'preservedDescriptors' | 'rootless' | 'noNewKeyring'>
}) => DescribedPlan

/** The text of a failed step, e.g. `exec: "nope": executable file not found in $PATH`, and its failure code. */
export type ExplainStepFailure = (
  described: DescribedPlan,
  failure: { step: number | undefined; errno: number },
) => Error
