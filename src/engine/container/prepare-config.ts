// From a create request to the configuration that is stored: image, defaults, checks.
import type { ContainerConfig, ContainerCreateRequest, HostConfig } from '../../api/container-types.ts'
import { existsSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import { shortId } from '../../base/ids.ts'
import type { ResourcesSpec } from '../../oci/runtime-spec.ts'
import type { Engine } from '../engine.ts'
import type { Image } from '../image/image-store.ts'
import { checkLogConfig } from './log-settings.ts'
import { chooseMacAddress } from './networking-config.ts'
import { parsePort } from './port-bindings.ts'
import { adaptHostConfig } from './spec/adapt-host-config.ts'
import { DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS } from './spec/build-runtime-spec.ts'
import { discardLimits } from './spec/discard-limits.ts'
import { mergeImageConfig } from './spec/merge-image-config.ts'
import { buildResources } from './spec/resources.ts'
import { validateCreate } from './spec/validate-create.ts'
import { validateHostConfig } from './spec/validate-host-config.ts'
import { limitFacts, specHost, validationFacts } from './spec-facts.ts'

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
  const { HostConfig: requestedHost, NetworkingConfig: networking, ...requested } = request
  const macAddress = chooseMacAddress(requested, requestedHost ?? {}, networking)
  if (macAddress !== undefined) requested.MacAddress = macAddress
  const merged = mergeImageConfig(normalizePorts(requested), image.config.config ?? {})
  // What was asked for is judged before defaults make it look as if more had been.
  const warnings = validateCreate(merged, withoutNulls(requestedHost ?? {}), validationFacts(engine))
  const allowedHost = { ...requestedHost }
  warnings.push(...discardLimits(allowedHost, limitFacts(engine)))
  const hostConfig = withDefaults(engine, allowedHost)
  checkLogConfig(hostConfig.LogConfig?.Type ?? '', hostConfig.LogConfig?.Config ?? {})
  checkBindSources(hostConfig)
  checkOthers(engine, hostConfig)
  if (!merged.Hostname) merged.Hostname = hostConfig.NetworkMode === 'host' ? specHost(engine).hostname : shortId(id)
  return { config: completeConfig(merged), hostConfig, warnings }
}

/** Whose namespaces are to be shared must be there; a network's owner is known by its id, which no renaming changes. Not a 404: a client would pull the image. */
function checkOthers(engine: Engine, hostConfig: HostConfig): void {
  for (const mode of ['NetworkMode', 'PidMode', 'IpcMode'] as const) {
    const [, name] = /^container:(.+)$/.exec(hostConfig[mode] ?? '') ?? []
    if (name === undefined) continue
    const other = engine.containers.find(name)
    if (other === undefined) throw new Failure('invalid-argument', `No such container: ${name}`)
    if (mode === 'NetworkMode') hostConfig.NetworkMode = `container:${other.id}`
  }
}

/** `--mount type=bind` makes nothing on the host, unlike `-v`. */
function checkBindSources(hostConfig: HostConfig): void {
  for (const { Type, Source = '', BindOptions } of hostConfig.Mounts ?? [])
    if (Type === 'bind' && BindOptions?.CreateMountpoint !== true && !existsSync(Source))
      throw new Failure(
        'invalid-argument',
        `invalid mount config for type "bind": bind source path does not exist: ${Source}`,
      )
}

/** The program and its arguments. */
export function commandOf(config: ContainerConfig): { path: string; args: string[] } {
  const [path = '', ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])]
  return { path, args }
}

/** `80` means `80/tcp`. */
function normalizePorts(config: ContainerConfig): ContainerConfig {
  if (!config.ExposedPorts) return config
  const ports = Object.keys(config.ExposedPorts).map((key) => {
    const { port, protocol } = parsePort(key)
    return [`${port}/${protocol}`, {}] as const
  })
  return { ...config, ExposedPorts: Object.fromEntries(ports) }
}

/** Throws invalid-argument. Returns warnings. */
export function checkUpdatedConfig(engine: Engine, config: ContainerConfig, hostConfig: HostConfig): string[] {
  return validateHostConfig(config, withoutNulls(hostConfig), validationFacts(engine))
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
  const { cgroupVersion, maskedSystemPaths } = specHost(engine)
  const isPrivileged = given.Privileged === true
  const adapted = adaptHostConfig(
    { ...EMPTY_HOST_CONFIG, ...withoutNulls(given) },
    { cgroupVersion, init: engine.config.init },
  )
  const masked = given.MaskedPaths ?? [...DEFAULT_MASKED_PATHS, ...maskedSystemPaths]
  const readonly = given.ReadonlyPaths ?? [...DEFAULT_READONLY_PATHS]
  return {
    ...adapted,
    LogConfig: logConfig(engine, given),
    Runtime: adapted.Runtime || engine.config.defaultRuntime,
    MaskedPaths: isPrivileged ? null : masked,
    ReadonlyPaths: isPrivileged ? null : readonly,
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
  PortBindings: null,
  RestartPolicy: {},
  AutoRemove: false,
  VolumeDriver: '',
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  CgroupnsMode: '',
  Dns: null,
  DnsOptions: null,
  DnsSearch: null,
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
  BlkioWeightDevice: null,
  BlkioDeviceReadBps: null,
  BlkioDeviceWriteBps: null,
  BlkioDeviceReadIOps: null,
  BlkioDeviceWriteIOps: null,
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: '',
  CpusetMems: '',
  Devices: null,
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
