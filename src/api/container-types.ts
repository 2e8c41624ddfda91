// Request and stored types of containers, field for field as the Engine API names them. Clients in Go send null for what
// they leave out, so a list or map may be null anywhere.

export type Maybe<T> = T | null | undefined

export interface HealthConfig {
  Test?: string[] | null
  /** Nanoseconds, as all durations here; 0 means inherit. */
  Interval?: number
  Timeout?: number
  StartPeriod?: number
  StartInterval?: number
  Retries?: number
}

export interface ContainerConfig {
  Hostname?: string
  Domainname?: string
  User?: string
  AttachStdin?: boolean
  AttachStdout?: boolean
  AttachStderr?: boolean
  ExposedPorts?: Record<string, object> | null
  Tty?: boolean
  OpenStdin?: boolean
  StdinOnce?: boolean
  Env?: string[] | null
  Cmd?: string[] | null
  Healthcheck?: HealthConfig | null
  ArgsEscaped?: boolean
  Image?: string
  Volumes?: Record<string, object> | null
  WorkingDir?: string
  Entrypoint?: string[] | null
  NetworkDisabled?: boolean
  MacAddress?: string
  OnBuild?: string[] | null
  Labels?: Record<string, string> | null
  StopSignal?: string
  StopTimeout?: number | null
  Shell?: string[] | null
}

export interface PortBinding {
  HostIp?: string
  HostPort?: string
}

export interface RestartPolicy {
  Name?: string
  MaximumRetryCount?: number
}

export interface LogConfig {
  Type?: string
  Config?: Record<string, string> | null
}

export interface Mount {
  Type?: string
  Source?: string
  Target?: string
  ReadOnly?: boolean
  Consistency?: string
  BindOptions?: {
    Propagation?: string
    NonRecursive?: boolean
    CreateMountpoint?: boolean
    ReadOnlyNonRecursive?: boolean
    ReadOnlyForceRecursive?: boolean
  } | null
  VolumeOptions?: {
    NoCopy?: boolean
    Labels?: Record<string, string> | null
    Subpath?: string
    DriverConfig?: { Name?: string; Options?: Record<string, string> | null } | null
  } | null
  ImageOptions?: { Subpath?: string } | null
  TmpfsOptions?: { SizeBytes?: number; Mode?: number; Options?: string[][] | null } | null
}

export interface DeviceMapping {
  PathOnHost?: string
  PathInContainer?: string
  CgroupPermissions?: string
}

export interface DeviceRequest {
  Driver?: string
  Count?: number
  DeviceIDs?: string[] | null
  Capabilities?: string[][] | null
  Options?: Record<string, string> | null
}

export interface ThrottleRate {
  Path?: string
  Rate?: number
}

export interface Ulimit {
  Name?: string
  Soft?: number
  Hard?: number
}

/** The part of HostConfig that `update` can change too. */
export interface Resources {
  CpuShares?: number
  Memory?: number
  CgroupParent?: string
  BlkioWeight?: number
  BlkioWeightDevice?: { Path?: string; Weight?: number }[] | null
  BlkioDeviceReadBps?: ThrottleRate[] | null
  BlkioDeviceWriteBps?: ThrottleRate[] | null
  BlkioDeviceReadIOps?: ThrottleRate[] | null
  BlkioDeviceWriteIOps?: ThrottleRate[] | null
  CpuPeriod?: number
  CpuQuota?: number
  CpuRealtimePeriod?: number
  CpuRealtimeRuntime?: number
  CpusetCpus?: string
  CpusetMems?: string
  Devices?: DeviceMapping[] | null
  DeviceCgroupRules?: string[] | null
  DeviceRequests?: DeviceRequest[] | null
  KernelMemory?: number
  KernelMemoryTCP?: number
  MemoryReservation?: number
  MemorySwap?: number
  MemorySwappiness?: number | null
  NanoCpus?: number
  OomKillDisable?: boolean | null
  Init?: boolean | null
  PidsLimit?: number | null
  Ulimits?: Ulimit[] | null
  CpuCount?: number
  CpuPercent?: number
  IOMaximumIOps?: number
  IOMaximumBandwidth?: number
}

export interface HostConfig extends Resources {
  Binds?: string[] | null
  ContainerIDFile?: string
  LogConfig?: LogConfig
  NetworkMode?: string
  PortBindings?: Record<string, PortBinding[] | null> | null
  RestartPolicy?: RestartPolicy
  AutoRemove?: boolean
  VolumeDriver?: string
  VolumesFrom?: string[] | null
  Mounts?: Mount[] | null
  ConsoleSize?: number[] | null
  Annotations?: Record<string, string> | null
  CapAdd?: string[] | null
  CapDrop?: string[] | null
  CgroupnsMode?: string
  Dns?: string[] | null
  DnsOptions?: string[] | null
  DnsSearch?: string[] | null
  ExtraHosts?: string[] | null
  GroupAdd?: string[] | null
  IpcMode?: string
  Cgroup?: string
  Links?: string[] | null
  OomScoreAdj?: number
  PidMode?: string
  Privileged?: boolean
  PublishAllPorts?: boolean
  ReadonlyRootfs?: boolean
  SecurityOpt?: string[] | null
  StorageOpt?: Record<string, string> | null
  Tmpfs?: Record<string, string> | null
  UTSMode?: string
  UsernsMode?: string
  ShmSize?: number
  Sysctls?: Record<string, string> | null
  Runtime?: string
  Isolation?: string
  /** Null means the defaults, an empty list none. */
  MaskedPaths?: string[] | null
  ReadonlyPaths?: string[] | null
}

export interface EndpointIpamConfig {
  IPv4Address?: string
  IPv6Address?: string
  LinkLocalIPs?: string[] | null
}

export interface EndpointSettings {
  IPAMConfig?: EndpointIpamConfig | null
  Links?: string[] | null
  Aliases?: string[] | null
  MacAddress?: string
  DriverOpts?: Record<string, string> | null
  GwPriority?: number
  NetworkID?: string
  EndpointID?: string
  Gateway?: string
  IPAddress?: string
  IPPrefixLen?: number
  IPv6Gateway?: string
  GlobalIPv6Address?: string
  GlobalIPv6PrefixLen?: number
  DNSNames?: string[] | null
}

export interface NetworkingConfig {
  EndpointsConfig?: Record<string, EndpointSettings | null> | null
}

/** The body of POST /containers/create. */
export interface ContainerCreateRequest extends ContainerConfig {
  HostConfig?: HostConfig | null
  NetworkingConfig?: NetworkingConfig | null
}

/** A mount as inspect shows it; made at create, when volumes have been found or made. */
export interface MountPoint {
  Type: 'bind' | 'volume' | 'tmpfs' | 'image'
  Name?: string
  Source: string
  Destination: string
  Driver?: string
  Mode: string
  RW: boolean
  Propagation: string
}
