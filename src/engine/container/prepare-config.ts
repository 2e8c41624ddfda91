// From a create request to the configuration that is stored: image, defaults, checks.
import { statSync } from 'node:fs'
import { posix } from 'node:path'
import type {
  ContainerConfig,
  ContainerCreateRequest,
  HostConfig,
  NetworkingConfig,
} from '../../api/container-types.ts'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { shortId } from '../../base/ids.ts'
import { errnoText } from '../../linux/kernel-error.ts'
import type { ResourcesSpec } from '../../oci/runtime-spec.ts'
import type { Engine } from '../engine.ts'
import type { Image } from '../image/image-store.ts'
import { mergeLogConfig } from '../logs/log-drivers.ts'
import { chooseMacAddress } from './networking-config.ts'
import { parsePort } from './port-bindings.ts'
import { adaptHostConfig } from './spec/adapt-host-config.ts'
import { DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS } from './spec/build-runtime-spec.ts'
import { mergeImageConfig } from './spec/merge-image-config.ts'
import { buildResources } from './spec/resources.ts'
import { validateCreate } from './spec/validate-create.ts'
import { parseSecurityOptions } from './spec/security-options.ts'
import { validateHostConfig, validateStorage } from './spec/validate-host-config.ts'
import { specHost, validationFacts } from './spec-facts.ts'
import { isSysctlOn } from '../system/host-facts.ts'

export interface PreparedConfig {
  config: ContainerConfig
  hostConfig: HostConfig
  warnings: string[]
}

/** A request that has been judged; the image is looked for next. */
export interface CheckedRequest {
  config: ContainerConfig
  /** Without nulls, and without what the warnings say is discarded. */
  hostConfig: HostConfig
  networking: NetworkingConfig | null | undefined
  warnings: string[]
}

/** What can be told without the image. Throws invalid-argument in Docker's words. */
export function checkRequest(engine: Engine, request: ContainerCreateRequest): CheckedRequest {
  const { HostConfig: given, NetworkingConfig: networking, ...config } = request
  const hostConfig = withoutNulls(given ?? {})
  const warnings = validateCreate(config, hostConfig, validationFacts(engine))
  if (!['host', 'none'].includes(hostConfig.NetworkMode ?? '') && !isSysctlOn('net.ipv4.ip_forward'))
    warnings.push('IPv4 forwarding is disabled. Networking will not work.')
  return { config, hostConfig, networking, warnings }
}

/** Throws invalid-argument in Docker's words, and `unknown` where Docker calls it its own failure. */
export async function prepareConfig(
  engine: Engine,
  id: string,
  checked: CheckedRequest,
  image: Image,
): Promise<PreparedConfig> {
  const { networking, warnings } = checked
  const requested = { ...checked.config }
  const macAddress = chooseMacAddress(requested, checked.hostConfig, networking)
  if (macAddress !== undefined) requested.MacAddress = macAddress
  const hostConfig = withDefaults(engine, checked.hostConfig)
  checkOthers(engine, hostConfig)
  const merged = mergeImageConfig(normalizePorts(requested), image.config.config ?? {})
  if (merged.WorkingDir) merged.WorkingDir = posix.normalize(merged.WorkingDir).replace(/(?<=.)\/$/, '')
  await checkBindSources(engine, hostConfig)
  if (!merged.Hostname) merged.Hostname = hostConfig.NetworkMode === 'host' ? specHost(engine).hostname : shortId(id)
  return { config: completeConfig(merged), hostConfig, warnings }
}

/** Of a container that a user starts: an update, or a change of the daemon or its machine, may have made it what could not be created. Throws invalid-argument. */
export async function judgeStored(engine: Engine, hostConfig: HostConfig): Promise<void> {
  validateHostConfig(hostConfig, validationFacts(engine))
  await checkBindSources(engine, hostConfig)
}

/** The last checks, once the name is taken. Throws `unknown`: Docker answers 500 for them. */
export function checkLate(hostConfig: HostConfig): void {
  try {
    parseSecurityOptions(hostConfig.SecurityOpt ?? [], { noNewPrivileges: false })
  } catch (error) {
    throw new Failure('unknown', messageOf(error), { cause: error })
  }
  validateStorage(hostConfig)
}

/** Who shares a namespace is known by its id, which no renaming changes. A network's owner may come later. Not a 404: a client would pull the image. */
function checkOthers(engine: Engine, hostConfig: HostConfig): void {
  for (const mode of ['PidMode', 'IpcMode', 'NetworkMode'] as const) {
    const [, name] = /^container:(.+)$/.exec(hostConfig[mode] ?? '') ?? []
    if (name === undefined) continue
    const other = engine.containers.find(name)
    if (other !== undefined) hostConfig[mode] = `container:${other.id}`
    else if (mode !== 'NetworkMode') throw new Failure('invalid-argument', `No such container: ${name}`)
  }
}

/** `--mount type=bind` makes nothing on the host, unlike `-v`. */
async function checkBindSources({ bounded }: Engine, hostConfig: HostConfig): Promise<void> {
  for (const { Type, Source = '', BindOptions } of hostConfig.Mounts ?? []) {
    if (Type !== 'bind') continue
    const refuse = (reason: string): never => {
      throw new Failure('invalid-argument', `invalid mount config for type "bind": ${reason}`)
    }
    try {
      if ((await bounded.kindOf(Source)) !== undefined) continue
      const isThere = statSync(Source, { throwIfNoEntry: false }) !== undefined // which says why not
      if (!isThere && BindOptions?.CreateMountpoint !== true) refuse(`bind source path does not exist: ${Source}`)
    } catch (error) {
      if (isFailure(error)) throw error
      refuse(`stat ${Source}: ${errnoText(-((error as NodeJS.ErrnoException).errno ?? 0))}`)
    }
  }
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

/** The part of an update that needs no container. Throws invalid-argument. Returns warnings; what they say is discarded is gone from `changes`. */
export function checkUpdate(engine: Engine, changes: HostConfig): string[] {
  return validateHostConfig(changes, validationFacts(engine), true)
}

/** What of an update the runtime is told. No limit of processes at all is a limit, too: it takes one away. */
export function updatedResources(changes: HostConfig): ResourcesSpec {
  const isUnlimited = changes.PidsLimit != null && changes.PidsLimit <= 0
  return { ...buildResources(changes, () => []), ...(isUnlimited ? { pids: { limit: -1 } } : {}) }
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
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels ?? {},
  }
}

function withDefaults(engine: Engine, given: HostConfig): HostConfig {
  const { cgroupVersion, maskedSystemPaths } = specHost(engine)
  const { config } = engine
  const isPrivileged = given.Privileged === true
  const adapted = adaptHostConfig(
    { ...EMPTY_HOST_CONFIG, ...withoutNulls(given) },
    {
      cgroupVersion,
      shmBytes: config.defaultShmBytes,
      ipcMode: config.defaultIpcMode,
      cgroupnsMode: config.defaultCgroupnsMode,
    },
  )
  const masked = given.MaskedPaths ?? [...DEFAULT_MASKED_PATHS, ...maskedSystemPaths]
  const readonly = given.ReadonlyPaths ?? [...DEFAULT_READONLY_PATHS]
  return {
    ...adapted,
    LogConfig: mergeLogConfig(given.LogConfig, { driver: engine.config.logDriver, options: engine.config.logOptions }),
    Runtime: adapted.Runtime || engine.config.defaultRuntime,
    MaskedPaths: isPrivileged ? null : masked,
    ReadonlyPaths: isPrivileged ? null : readonly,
  }
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
  Ulimits: null,
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
  MaskedPaths: null,
  ReadonlyPaths: null,
}
