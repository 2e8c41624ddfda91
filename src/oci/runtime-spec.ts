// The OCI runtime configuration (runtime-spec 1.3, config.md and config-linux.md), as far as Linux goes. Pure types; parse-runtime-spec.ts checks.

export interface RuntimeSpec {
  ociVersion: string
  process?: ProcessSpec
  root?: { path: string; readonly?: boolean }
  hostname?: string
  domainname?: string
  mounts?: MountSpec[]
  hooks?: HooksSpec
  annotations?: Record<string, string>
  linux?: LinuxSpec
}

export interface ProcessSpec {
  terminal?: boolean
  consoleSize?: { height: number; width: number }
  cwd: string
  env?: string[]
  args?: string[]
  user?: { uid: number; gid: number; umask?: number; additionalGids?: number[]; username?: string }
  capabilities?: Partial<Record<CapabilitySet, string[]>>
  rlimits?: { type: string; soft: number; hard: number }[]
  noNewPrivileges?: boolean
  apparmorProfile?: string
  selinuxLabel?: string
  oomScoreAdj?: number
  scheduler?: {
    policy: string
    nice?: number
    priority?: number
    flags?: string[]
    runtime?: number
    deadline?: number
    period?: number
  }
  ioPriority?: { class: string; priority?: number }
  execCPUAffinity?: { initial?: string; final?: string }
}

export interface IdMapping {
  containerID: number
  hostID: number
  size: number
}

export type CapabilitySet = 'bounding' | 'effective' | 'inheritable' | 'permitted' | 'ambient'

export interface MountSpec {
  destination: string
  type?: string
  source?: string
  options?: string[]
  uidMappings?: IdMapping[]
  gidMappings?: IdMapping[]
}

export interface HookSpec {
  path: string
  args?: string[]
  env?: string[]
  timeout?: number
}

export type HooksSpec = Partial<
  Record<'prestart' | 'createRuntime' | 'createContainer' | 'startContainer' | 'poststart' | 'poststop', HookSpec[]>
>

export type NamespaceType = 'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'user' | 'cgroup' | 'time'

export interface LinuxSpec {
  namespaces?: { type: NamespaceType; path?: string }[]
  uidMappings?: IdMapping[]
  gidMappings?: IdMapping[]
  timeOffsets?: Record<string, { secs?: number; nanosecs?: number }>
  devices?: DeviceSpec[]
  cgroupsPath?: string
  resources?: ResourcesSpec
  rootfsPropagation?: string
  seccomp?: SeccompSpec
  sysctl?: Record<string, string>
  maskedPaths?: string[]
  readonlyPaths?: string[]
  mountLabel?: string
  intelRdt?: {
    closID?: string
    schemata?: string[]
    l3CacheSchema?: string
    memBwSchema?: string
    enableMonitoring?: boolean
  }
  memoryPolicy?: { mode: string; nodes?: string; flags?: string[] }
  personality?: { domain: string; flags?: string[] }
  /** By the name on the host. */
  netDevices?: Record<string, { name?: string }>
}

export interface DeviceSpec {
  type: 'c' | 'b' | 'u' | 'p'
  path: string
  major?: number
  minor?: number
  fileMode?: number
  uid?: number
  gid?: number
}

export interface DeviceRule {
  allow: boolean
  type?: 'a' | 'c' | 'b'
  major?: number
  minor?: number
  access?: string
}

export interface ResourcesSpec {
  devices?: DeviceRule[]
  memory?: {
    limit?: number
    reservation?: number
    swap?: number
    kernel?: number
    kernelTCP?: number
    swappiness?: number
    disableOOMKiller?: boolean
    useHierarchy?: boolean
    checkBeforeUpdate?: boolean
  }
  cpu?: {
    shares?: number
    quota?: number
    period?: number
    burst?: number
    realtimeRuntime?: number
    realtimePeriod?: number
    cpus?: string
    mems?: string
    idle?: number
  }
  pids?: { limit?: number }
  blockIO?: {
    weight?: number
    leafWeight?: number
    weightDevice?: { major: number; minor: number; weight?: number; leafWeight?: number }[]
    throttleReadBpsDevice?: ThrottleDevice[]
    throttleWriteBpsDevice?: ThrottleDevice[]
    throttleReadIOPSDevice?: ThrottleDevice[]
    throttleWriteIOPSDevice?: ThrottleDevice[]
  }
  hugepageLimits?: { pageSize: string; limit: number }[]
  network?: { classID?: number; priorities?: { name: string; priority: number }[] }
  rdma?: Record<string, { hcaHandles?: number; hcaObjects?: number }>
  unified?: Record<string, string>
}

export interface ThrottleDevice {
  major: number
  minor: number
  rate: number
}

export interface SeccompSpec {
  defaultAction: string
  defaultErrnoRet?: number
  architectures?: string[]
  flags?: string[]
  listenerPath?: string
  listenerMetadata?: string
  syscalls?: SeccompRule[]
}

export interface SeccompRule {
  names: string[]
  action: string
  errnoRet?: number
  args?: { index: number; value: number; valueTwo?: number; op: string }[]
}
