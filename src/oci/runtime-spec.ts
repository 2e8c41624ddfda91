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
}

export type CapabilitySet = 'bounding' | 'effective' | 'inheritable' | 'permitted' | 'ambient'

export interface MountSpec {
  destination: string
  type?: string
  source?: string
  options?: string[]
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
  uidMappings?: { containerID: number; hostID: number; size: number }[]
  gidMappings?: { containerID: number; hostID: number; size: number }[]
  devices?: DeviceSpec[]
  cgroupsPath?: string
  resources?: ResourcesSpec
  rootfsPropagation?: string
  seccomp?: SeccompSpec
  sysctl?: Record<string, string>
  maskedPaths?: string[]
  readonlyPaths?: string[]
  mountLabel?: string
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
  }
  pids?: { limit: number }
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
  syscalls?: SeccompRule[]
}

export interface SeccompRule {
  names: string[]
  action: string
  errnoRet?: number
  args?: { index: number; value: number; valueTwo?: number; op: string }[]
}
