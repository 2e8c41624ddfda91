// What the flags of `create` and `run` mean, as the body of POST /containers/create.
import { readFileSync } from 'node:fs'
import type { FlagValues } from '../flags.ts'
import { goQuote } from '../../base/go/go-quote.ts'
import { parseBpsDevice, parseExtraHost, parseIopsDevice, parseWeightDevice } from './checks.ts'
import { cdiRequest, isCdiName, parseDevice, parseGpus } from './devices.ts'
import { readEnvironment, readLabels } from './environment.ts'
import { parseMount, parseTmpfs, parseVolumes } from './mounts.ts'
import { buildNetworks, checkMac } from './networks.ts'
import { parsePublish } from './publish.ts'
import { parseRestartPolicy } from './restart-policy.ts'
import {
  cutPair,
  invalid,
  parseBytes,
  parseCpus,
  parseDuration,
  parseKeyValues,
  parseMemory,
  parseUlimit,
} from './values.ts'

export interface CreateBody {
  Image: string
  Env: string[]
  Tty: boolean
  OpenStdin: boolean
  StdinOnce: boolean
  AttachStdin: boolean
  AttachStdout: boolean
  AttachStderr: boolean
  HostConfig: Record<string, unknown>
  [key: string]: unknown
}

/** Throws in Docker's words. `extraEnv`: variables of the client's own, such as proxies. */
export function buildCreateBody(
  flags: FlagValues,
  image: string,
  command: string[],
  env: NodeJS.ProcessEnv,
  extraEnv: readonly string[],
): CreateBody {
  const mac = flags.text('mac-address')
  if (mac) checkMac(mac)
  const attached = new Set(flags.list('attach').map((name) => name.toLowerCase()))
  const interactive = flags.boolean('interactive') ?? false
  const attaches = (name: string) => attached.size === 0 || attached.has(name)
  const attachStdin = interactive || attached.has('stdin')
  const swappiness = flags.number('memory-swappiness') ?? -1
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100))
    throw invalid(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`)
  const volumes = parseVolumes(flags.list('volume'))
  const ports = parsePublish(flags.list('publish'), flags.list('expose'))
  const networks = () => buildNetworks(flags)
  const hostConfig = buildHostConfig(flags, volumes.binds, ports.bindings)
  const entrypoint = flags.text('entrypoint')
  const body = {
    Hostname: flags.text('hostname') ?? '',
    Domainname: flags.text('domainname') ?? '',
    User: flags.text('user') ?? '',
    AttachStdin: attachStdin,
    AttachStdout: attaches('stdout'),
    AttachStderr: attaches('stderr'),
    ExposedPorts: ports.exposed,
    Tty: flags.boolean('tty') ?? false,
    OpenStdin: interactive,
    StdinOnce: interactive && attachStdin,
    Env: [...readEnvironment(flags.list('env-file'), flags.list('env'), env), ...extraEnv],
    Cmd: command.length > 0 ? command : null,
    ...buildHealth(flags),
    Image: image,
    Volumes: volumes.anonymous,
    WorkingDir: flags.text('workdir') ?? '',
    Entrypoint: entrypoint === undefined ? null : [entrypoint],
    ...(mac ? { MacAddress: mac } : {}),
    OnBuild: null,
    Labels: parseKeyValues(readLabels(flags.list('label-file'), flags.list('label'))),
    ...(flags.text('stop-signal') ? { StopSignal: flags.text('stop-signal') } : {}),
    ...(flags.has('stop-timeout') ? { StopTimeout: flags.number('stop-timeout') } : {}),
    HostConfig: hostConfig,
  }
  if (flags.boolean('rm') && !['', 'no'].includes(flags.text('restart') ?? ''))
    throw invalid('conflicting options: cannot specify both --restart and --rm')
  const { mode, endpoints } = networks()
  hostConfig['NetworkMode'] = mode
  return { ...body, NetworkingConfig: { EndpointsConfig: endpoints } }
}

function buildHostConfig(flags: FlagValues, binds: string[], portBindings: object): Record<string, unknown> {
  const size = (name: string, parse = parseBytes) => (flags.has(name) ? parse(flags.text(name) ?? '') : 0)
  const { options: securityOptions, isUnconfined } = readSecurityOptions(flags.list('security-opt'))
  const devices = flags.list('device')
  const requests = flags.list('gpus').map(parseGpus)
  const cdi = devices.filter(isCdiName)
  if (cdi.length > 0) requests.push(cdiRequest(cdi))
  return {
    Binds: orNull(binds),
    ContainerIDFile: flags.text('cidfile') ?? '',
    LogConfig: readLogConfig(flags),
    PortBindings: portBindings,
    RestartPolicy: parseRestartPolicy(flags.text('restart') ?? 'no'),
    AutoRemove: flags.boolean('rm') ?? false,
    VolumeDriver: flags.text('volume-driver') ?? '',
    VolumesFrom: orNull(flags.list('volumes-from')),
    ...(flags.has('annotation') ? { Annotations: parseKeyValues(flags.list('annotation')) } : {}),
    CapAdd: orNull(capabilities(flags.list('cap-add'))),
    CapDrop: orNull(capabilities(flags.list('cap-drop'))),
    CgroupnsMode: requireMode(flags, 'cgroupns', 'CGROUP', /^(|private|host)$/),
    Dns: flags.list('dns').map((address) => address.trim()),
    DnsOptions: flags.list('dns-option'),
    DnsSearch: flags.list('dns-search').map((domain) => domain.trim()),
    ExtraHosts: orNull(flags.list('add-host').map(parseExtraHost)),
    GroupAdd: orNull(flags.list('group-add')),
    IpcMode: flags.text('ipc') ?? '',
    Links: orNull(flags.list('link')),
    OomScoreAdj: flags.number('oom-score-adj') ?? 0,
    PidMode: requireMode(flags, 'pid', 'PID', /^(|host|container:.+)$/),
    Privileged: flags.boolean('privileged') ?? false,
    PublishAllPorts: flags.boolean('publish-all') ?? false,
    ReadonlyRootfs: flags.boolean('read-only') ?? false,
    SecurityOpt: orNull(securityOptions),
    ...(flags.has('storage-opt') ? { StorageOpt: readStorageOptions(flags.list('storage-opt')) } : {}),
    ...(flags.has('tmpfs') ? { Tmpfs: parseTmpfs(flags.list('tmpfs')) } : {}),
    UTSMode: requireMode(flags, 'uts', 'UTS', /^(|host)$/),
    UsernsMode: requireMode(flags, 'userns', 'USER', /^(|host)$/),
    ShmSize: size('shm-size'),
    ...(flags.has('sysctl') ? { Sysctls: parseKeyValues(flags.list('sysctl')) } : {}),
    ...(flags.text('runtime') ? { Runtime: flags.text('runtime') } : {}),
    Isolation: flags.text('isolation') ?? '',
    CpuShares: flags.number('cpu-shares') ?? 0,
    Memory: size('memory'),
    NanoCpus: flags.has('cpus') ? parseCpus(flags.text('cpus') ?? '') : 0,
    CgroupParent: flags.text('cgroup-parent') ?? '',
    BlkioWeight: flags.number('blkio-weight') ?? 0,
    BlkioWeightDevice: flags.list('blkio-weight-device').map(parseWeightDevice),
    BlkioDeviceReadBps: flags.list('device-read-bps').map(parseBpsDevice),
    BlkioDeviceWriteBps: flags.list('device-write-bps').map(parseBpsDevice),
    BlkioDeviceReadIOps: flags.list('device-read-iops').map(parseIopsDevice),
    BlkioDeviceWriteIOps: flags.list('device-write-iops').map(parseIopsDevice),
    CpuPeriod: flags.number('cpu-period') ?? 0,
    CpuQuota: flags.number('cpu-quota') ?? 0,
    CpuRealtimePeriod: flags.number('cpu-rt-period') ?? 0,
    CpuRealtimeRuntime: flags.number('cpu-rt-runtime') ?? 0,
    CpusetCpus: flags.text('cpuset-cpus') ?? '',
    CpusetMems: flags.text('cpuset-mems') ?? '',
    Devices: devices.filter((device) => !isCdiName(device)).map(parseDevice),
    DeviceCgroupRules: orNull(flags.list('device-cgroup-rule')),
    DeviceRequests: orNull(requests),
    ...(flags.has('kernel-memory') ? { KernelMemory: size('kernel-memory') } : {}),
    MemoryReservation: size('memory-reservation'),
    MemorySwap: size('memory-swap', parseMemory),
    MemorySwappiness: flags.number('memory-swappiness') ?? -1,
    OomKillDisable: flags.boolean('oom-kill-disable') ?? false,
    PidsLimit: flags.number('pids-limit') ?? 0,
    Ulimits: readUlimits(flags.list('ulimit')),
    ...(flags.has('mount') ? { Mounts: flags.list('mount').map(parseMount) } : {}),
    ...(isUnconfined ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
    ...(flags.has('init') ? { Init: flags.boolean('init') } : {}),
  }
}

function orNull<T>(items: T[]): T[] | null {
  return items.length === 0 ? null : items
}

/** By their full names, each once, in order. */
function capabilities(names: readonly string[]): string[] {
  const full = names
    .map((name) => name.trim().toUpperCase())
    .map((name) => (name === 'ALL' || name.startsWith('CAP_') ? name : `CAP_${name}`))
  return [...new Set(full)].sort()
}

function requireMode(flags: FlagValues, flag: string, name: string, valid: RegExp): string {
  const mode = flags.text(flag) ?? ''
  if (!valid.test(mode)) throw invalid(`--${flag}: invalid ${name} mode`)
  return mode
}

function readLogConfig(flags: FlagValues): object {
  const driver = flags.text('log-driver') ?? ''
  const options = flags.list('log-opt')
  if (driver === 'none' && options.length > 0) throw invalid(`invalid logging opts for driver ${driver}`)
  return { Type: driver, Config: parseKeyValues(options) }
}

function readStorageOptions(entries: string[]): Record<string, string> {
  for (const entry of entries) if (!entry.includes('=')) throw invalid('invalid storage option')
  return Object.fromEntries(entries.map(cutPair))
}

/** One limit per name, the last one given, in the order of the names. */
function readUlimits(entries: string[]): object[] {
  const limits = new Map(entries.map(parseUlimit).map((limit) => [limit.Name, limit]))
  return [...limits.values()].sort((a, b) => (a.Name < b.Name ? -1 : 1))
}

/** A seccomp profile is a file here and its content on the wire; systempaths is no security option for the engine. */
function readSecurityOptions(entries: string[]): { options: string[]; isUnconfined: boolean } {
  const options = entries.map((option) => {
    const match = /^([^=:]*)(?:[=:]([\s\S]*))?$/.exec(option)
    const [, key = '', value = ''] = match ?? []
    if (value === '' && key !== 'no-new-privileges') throw invalid(`Invalid --security-opt: ${goQuote(option)}`)
    if (key !== 'seccomp' || value === 'unconfined' || value === 'builtin') return option
    return `seccomp=${readSeccompProfile(value)}`
  })
  const isUnconfined = options.includes('systempaths=unconfined')
  return { options: options.filter((option) => option !== 'systempaths=unconfined'), isUnconfined }
}

function readSeccompProfile(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file or directory' : String(error)
    throw invalid(`opening seccomp profile (${path}) failed: open ${path}: ${why}`)
  }
  try {
    return JSON.stringify(JSON.parse(text))
  } catch (error) {
    throw invalid(`compacting json for seccomp profile (${path}) failed: ${String(error)}`)
  }
}

const HEALTH_DURATIONS = ['interval', 'timeout', 'start-period', 'start-interval'] as const

function buildHealth(flags: FlagValues): { Healthcheck?: object } {
  const command = flags.text('health-cmd') ?? ''
  const retries = flags.number('health-retries') ?? 0
  const durations = HEALTH_DURATIONS.map((name) => parseDuration(flags.text(`health-${name}`) ?? '0'))
  const hasSettings = command !== '' || retries !== 0 || durations.some((each) => each !== 0)
  if (flags.boolean('no-healthcheck')) {
    if (hasSettings) throw invalid('--no-healthcheck conflicts with --health-* options')
    return { Healthcheck: { Test: ['NONE'] } }
  }
  if (!hasSettings) return {}
  const [interval = 0, timeout = 0, startPeriod = 0, startInterval = 0] = durations
  const refuseNegative = (name: string, value: number) => {
    if (value < 0) throw invalid(`--health-${name} cannot be negative`)
  }
  refuseNegative('interval', interval)
  refuseNegative('timeout', timeout)
  refuseNegative('retries', retries)
  refuseNegative('start-period', startPeriod)
  refuseNegative('start-interval', startInterval)
  return {
    Healthcheck: {
      ...(command === '' ? {} : { Test: ['CMD-SHELL', command] }),
      ...(interval === 0 ? {} : { Interval: interval }),
      ...(timeout === 0 ? {} : { Timeout: timeout }),
      ...(startPeriod === 0 ? {} : { StartPeriod: startPeriod }),
      ...(startInterval === 0 ? {} : { StartInterval: startInterval }),
      ...(retries === 0 ? {} : { Retries: retries }),
    },
  }
}
