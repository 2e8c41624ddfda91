// From a create request to the configuration that is stored: image, defaults, checks.
import type { ContainerConfig, ContainerCreateRequest, HostConfig } from '../../api/container-types.ts'
import { shortId } from '../../base/ids.ts'
import type { ResourcesSpec } from '../../oci/runtime-spec.ts'
import type { Engine } from '../engine.ts'
import type { Image } from '../image/image-store.ts'
import { checkLogConfig } from './log-settings.ts'
import { mergeImageConfig } from './merge-image-config.ts'
import { DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS } from './spec/build-runtime-spec.ts'
import { buildResources } from './spec/resources.ts'
import { specHost } from './spec-host.ts'

const SHM_BYTES = 64 << 20
const RUNTIME = 'runc'

export interface PreparedConfig {
  config: ContainerConfig
  hostConfig: HostConfig
  warnings: string[]
}

/** Throws invalid-argument in Docker's words. */
export function prepareConfig(
  engine: Engine,
  id: string,
  request: ContainerCreateRequest,
  image: Image,
): PreparedConfig {
  const { HostConfig: requestedHost, NetworkingConfig: _networking, ...requested } = request
  const hostConfig = withDefaults(engine, requestedHost ?? {})
  const config = mergeImageConfig(requested, image.config.config ?? {})
  if (!config.Hostname) config.Hostname = hostConfig.NetworkMode === 'host' ? specHost(engine).hostname : shortId(id)
  const warnings: string[] = []
  checkLogConfig(hostConfig.LogConfig?.Type ?? '', hostConfig.LogConfig?.Config ?? {})
  return { config: completeConfig(config), hostConfig, warnings }
}

/** Throws invalid-argument. Returns warnings. */
export function checkUpdatedConfig(_config: ContainerConfig, _hostConfig: HostConfig): string[] {
  return []
}

export function resourcesOf(hostConfig: HostConfig): ResourcesSpec {
  return buildResources(hostConfig, () => [])
}

/** What Docker's clients expect to find whatever was sent. */
function completeConfig(config: ContainerConfig): ContainerConfig {
  return {
    ...config,
    Hostname: config.Hostname ?? '',
    Domainname: config.Domainname ?? '',
    AttachStdin: config.AttachStdin ?? false,
    AttachStdout: config.AttachStdout ?? false,
    AttachStderr: config.AttachStderr ?? false,
    Tty: config.Tty ?? false,
    OpenStdin: config.OpenStdin ?? false,
    StdinOnce: config.StdinOnce ?? false,
    Image: config.Image ?? '',
    Labels: config.Labels ?? {},
  }
}

function withDefaults(engine: Engine, given: HostConfig): HostConfig {
  const { cgroupVersion } = specHost(engine)
  const privileged = given.Privileged === true
  const memory = given.Memory ?? 0
  return {
    ...EMPTY_HOST_CONFIG,
    ...withoutNulls(given),
    LogConfig: logConfig(engine, given),
    NetworkMode: given.NetworkMode || 'default',
    RestartPolicy: {
      Name: given.RestartPolicy?.Name || 'no',
      MaximumRetryCount: given.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    CgroupnsMode: given.CgroupnsMode || (cgroupVersion === 2 && !privileged ? 'private' : 'host'),
    IpcMode: given.IpcMode || 'private',
    Runtime: given.Runtime || RUNTIME,
    ShmSize: given.ShmSize || SHM_BYTES,
    // Twice the memory: as much swap as memory.
    MemorySwap: given.MemorySwap || (memory > 0 ? memory * 2 : 0),
    OomKillDisable: given.OomKillDisable ?? (cgroupVersion === 1 ? false : null),
    MaskedPaths: privileged
      ? null
      : (given.MaskedPaths ?? [...DEFAULT_MASKED_PATHS, ...specHost(engine).maskedSystemPaths]),
    ReadonlyPaths: privileged ? null : (given.ReadonlyPaths ?? [...DEFAULT_READONLY_PATHS]),
  }
}

/** The engine's options hold where the container names no driver of its own. */
function logConfig(engine: Engine, given: HostConfig): NonNullable<HostConfig['LogConfig']> {
  const type = given.LogConfig?.Type || engine.config.logDriver
  const inherited = type === engine.config.logDriver ? engine.config.logOptions : {}
  return { Type: type, Config: { ...inherited, ...(given.LogConfig?.Config ?? {}) } }
}

function withoutNulls(given: HostConfig): HostConfig {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)) as HostConfig
}

/** In the order and with the nulls that dockerd prints. */
const EMPTY_HOST_CONFIG: HostConfig = {
  Binds: null,
  ContainerIDFile: '',
  LogConfig: {},
  NetworkMode: '',
  PortBindings: {},
  RestartPolicy: {},
  AutoRemove: false,
  VolumeDriver: '',
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  CgroupnsMode: '',
  Dns: [],
  DnsOptions: [],
  DnsSearch: [],
  ExtraHosts: null,
  GroupAdd: null,
  IpcMode: '',
  Cgroup: '',
  Links: null,
  OomScoreAdj: 0,
  PidMode: '',
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
  SecurityOpt: null,
  UTSMode: '',
  UsernsMode: '',
  ShmSize: 0,
  Runtime: '',
  Isolation: '',
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: '',
  BlkioWeight: 0,
  BlkioWeightDevice: [],
  BlkioDeviceReadBps: [],
  BlkioDeviceWriteBps: [],
  BlkioDeviceReadIOps: [],
  BlkioDeviceWriteIOps: [],
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: '',
  CpusetMems: '',
  Devices: [],
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: null,
  OomKillDisable: null,
  PidsLimit: null,
  Ulimits: [],
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
  MaskedPaths: null,
  ReadonlyPaths: null,
}
