// The bodies of POST /containers/create and of update: types are checked here, once, so that the rest of the engine can trust them.
import type { ContainerCreateRequest, HostConfig } from '../../api/container-types.ts'
import { Failure } from '../../base/failure.ts'
import { BOOL, decodeGo, each, type GoType, INTEGER, list, map, STRING, struct, WORDS } from '../http/go-json.ts'

const STRINGS = list(STRING)
const EMPTY = struct('struct {}', {})
const THROTTLES = list(struct('blkiodev.ThrottleDevice', { Path: STRING, Rate: INTEGER }))

const HEALTH = struct('container.HealthConfig', {
  Test: STRINGS,
  ...each(INTEGER, 'Interval Timeout StartPeriod StartInterval Retries'),
})

const RESTART_POLICY = struct('container.RestartPolicy', { Name: STRING, MaximumRetryCount: INTEGER })

/** What `update` can change, too. */
const RESOURCES: Record<string, GoType> = {
  ...each(
    INTEGER,
    'CpuShares Memory BlkioWeight CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime KernelMemory KernelMemoryTCP MemoryReservation MemorySwap MemorySwappiness NanoCpus PidsLimit CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth',
  ),
  ...each(STRING, 'CgroupParent CpusetCpus CpusetMems'),
  ...each(THROTTLES, 'BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps'),
  BlkioWeightDevice: list(struct('blkiodev.WeightDevice', { Path: STRING, Weight: INTEGER })),
  Devices: list(struct('container.DeviceMapping', each(STRING, 'PathOnHost PathInContainer CgroupPermissions'))),
  DeviceCgroupRules: STRINGS,
  DeviceRequests: list(
    struct('container.DeviceRequest', {
      Driver: STRING,
      Count: INTEGER,
      DeviceIDs: STRINGS,
      Capabilities: list(STRINGS),
      Options: map(STRING),
    }),
  ),
  OomKillDisable: BOOL,
  Init: BOOL,
  Ulimits: list(struct('container.Ulimit', { Name: STRING, Soft: INTEGER, Hard: INTEGER })),
}

const MOUNT = struct('mount.Mount', {
  ...each(STRING, 'Type Source Target Consistency'),
  ReadOnly: BOOL,
  BindOptions: struct('mount.BindOptions', {
    Propagation: STRING,
    ...each(BOOL, 'NonRecursive CreateMountpoint ReadOnlyNonRecursive ReadOnlyForceRecursive'),
  }),
  VolumeOptions: struct('mount.VolumeOptions', {
    NoCopy: BOOL,
    Labels: map(STRING),
    Subpath: STRING,
    DriverConfig: struct('mount.Driver', { Name: STRING, Options: map(STRING) }),
  }),
  ImageOptions: struct('mount.ImageOptions', { Subpath: STRING }),
  TmpfsOptions: struct('mount.TmpfsOptions', { SizeBytes: INTEGER, Mode: INTEGER, Options: list(STRINGS) }),
})

const HOST_CONFIG = struct('container.HostConfig', {
  ...RESOURCES,
  ...each(
    STRING,
    'ContainerIDFile NetworkMode VolumeDriver CgroupnsMode IpcMode Cgroup PidMode UTSMode UsernsMode Runtime Isolation',
  ),
  ...each(BOOL, 'AutoRemove Privileged PublishAllPorts ReadonlyRootfs'),
  ...each(INTEGER, 'OomScoreAdj ShmSize'),
  ...each(
    STRINGS,
    'Binds VolumesFrom CapAdd CapDrop Dns DnsOptions DnsSearch ExtraHosts GroupAdd Links SecurityOpt MaskedPaths ReadonlyPaths',
  ),
  ...each(map(STRING), 'Annotations StorageOpt Tmpfs Sysctls'),
  Mounts: list(MOUNT),
  ConsoleSize: list(INTEGER),
  LogConfig: struct('container.LogConfig', { Type: STRING, Config: map(STRING) }),
  RestartPolicy: RESTART_POLICY,
  PortBindings: map(list(struct('nat.PortBinding', { HostIp: STRING, HostPort: STRING }))),
})

const ENDPOINT = struct('network.EndpointSettings', {
  IPAMConfig: struct('network.EndpointIPAMConfig', { IPv4Address: STRING, IPv6Address: STRING, LinkLocalIPs: STRINGS }),
  ...each(STRINGS, 'Links Aliases DNSNames'),
  ...each(STRING, 'MacAddress NetworkID EndpointID Gateway IPAddress IPv6Gateway GlobalIPv6Address'),
  ...each(INTEGER, 'GwPriority IPPrefixLen GlobalIPv6PrefixLen'),
  DriverOpts: map(STRING),
})

const CREATE_REQUEST = struct('ContainerConfigWrapper', {
  ...each(STRING, 'Hostname Domainname User Image WorkingDir MacAddress StopSignal'),
  ...each(BOOL, 'AttachStdin AttachStdout AttachStderr Tty OpenStdin StdinOnce ArgsEscaped NetworkDisabled'),
  ...each(STRINGS, 'Env OnBuild'),
  ...each(WORDS, 'Cmd Entrypoint Shell'),
  ...each(map(EMPTY), 'ExposedPorts Volumes'),
  Labels: map(STRING),
  StopTimeout: INTEGER,
  Healthcheck: HEALTH,
  HostConfig: HOST_CONFIG,
  NetworkingConfig: struct('network.NetworkingConfig', { EndpointsConfig: map(ENDPOINT) }),
})

const UPDATE = struct('UpdateConfig', { ...RESOURCES, RestartPolicy: RESTART_POLICY })

/** Throws invalid-argument in the words of Go's decoder, and where nothing is said of the container itself. */
export function decodeCreateRequest(body: unknown): ContainerCreateRequest {
  const request = decodeCommitRequest(body)
  const { HostConfig: _, NetworkingConfig: __, ...config } = request
  if (Object.keys(config).length === 0)
    throw new Failure('invalid-argument', 'config cannot be empty in order to create a container')
  return request
}

/** The same of a commit, which may well say nothing. */
export function decodeCommitRequest(body: unknown): ContainerCreateRequest {
  return body === undefined || body === null ? {} : (decodeGo(body, CREATE_REQUEST) as ContainerCreateRequest)
}

/** Of an update; throws like the other. */
export function decodeUpdate(body: unknown): HostConfig {
  if (body === undefined || body === null)
    throw new Failure('invalid-argument', 'invalid JSON: got EOF while reading request body')
  return decodeGo(body, UPDATE) as HostConfig
}
