// GET /info: what `docker info` prints.
import { existsSync, readdirSync } from 'node:fs'
import { cpus, hostname, totalmem } from 'node:os'
import { type FieldGate, fieldsAt } from '../../api/field-gates.ts'
import { BERTH_VERSION } from '../../api/versions.ts'
import { isAlive } from '../container/container-state.ts'
import { specHost } from '../container/spec-facts.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { LOG_DRIVERS } from '../logs/log-drivers.ts'
import { type CgroupFacts, cgroupFacts } from './cgroup-facts.ts'
import { infoWarnings } from './info-warnings.ts'
import { initProgram } from './init-program.ts'
import { isSysctlOn, kernelVersion, machineArchitecture, operatingSystem } from './host-facts.ts'
import { maskCredentials } from '../settings/proxy-setting.ts'
import { OWN_RUNTIMES, type RuntimeSetting } from '../settings/runtime-setting.ts'
import { registryConfig } from './registry-config.ts'

/** What came and went; Docker leaves all else in, whatever the version. */
const GATES: readonly FieldGate[] = [
  { path: 'CDISpecDirs', since: '1.44' },
  { path: 'Containerd', since: '1.46' },
  { path: 'RegistryConfig.AllowNondistributableArtifactsCIDRs', until: '1.47' },
  { path: 'RegistryConfig.AllowNondistributableArtifactsHostnames', until: '1.47' },
  { path: 'FirewallBackend', since: '1.49' },
  { path: 'ContainerdCommit.Expected', until: '1.49' },
  { path: 'RuncCommit.Expected', until: '1.49' },
  { path: 'InitCommit.Expected', until: '1.49' },
  { path: 'DiscoveredDevices', since: '1.50' },
  { path: 'BridgeNfIptables', until: '1.50' },
  { path: 'BridgeNfIp6tables', until: '1.50' },
]

export async function showInfo(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const [images, containerd, init] = await Promise.all([
    engine.images.list(),
    engine.containerd.version.version({}),
    initProgram(engine),
  ])
  const cgroups = cgroupFacts()
  const { config } = engine
  const system = operatingSystem()
  const body = {
    ID: engine.id,
    ...containerCounts(engine),
    Images: images.length,
    Driver: 'overlayfs',
    DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']],
    Plugins: {
      Volume: engine.volumes.driverNames(),
      Network: ['bridge', 'host', 'null'],
      Authorization: config.authorizationPlugins.length === 0 ? null : config.authorizationPlugins,
      Log: LOG_DRIVERS,
    },
    ...limits(cgroups),
    IPv4Forwarding: isSysctlOn('net.ipv4.ip_forward'),
    Debug: config.debug,
    NFd: readdirSync('/proc/self/fd').length,
    NGoroutines: 0,
    SystemTime: new Date(engine.clock.now()).toISOString(),
    LoggingDriver: config.logDriver,
    CgroupDriver: config.cgroupDriver,
    CgroupVersion: cgroups.version,
    NEventsListener: engine.events.listenerCount,
    KernelVersion: kernelVersion(),
    OperatingSystem: system.name,
    OSVersion: system.version,
    OSType: 'linux',
    Architecture: machineArchitecture(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registryConfig(config),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    GenericResources: null,
    DockerRootDir: config.dataRoot,
    HttpProxy: maskCredentials(config.proxies.http),
    HttpsProxy: maskCredentials(config.proxies.https),
    NoProxy: config.proxies.no,
    Name: hostname(),
    Labels: config.labels,
    ExperimentalBuild: config.isExperimental,
    ServerVersion: BERTH_VERSION,
    Runtimes: runtimes(engine),
    DefaultRuntime: config.defaultRuntime,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: config.liveRestore,
    Isolation: '',
    InitBinary: init.name,
    ContainerdCommit: commit(containerd.revision || containerd.version),
    RuncCommit: commit(engine.peer.isOwn ? BERTH_VERSION : 'N/A'),
    InitCommit: commit(init.commit || 'N/A'),
    SecurityOptions: securityOptions(engine, cgroups),
    CDISpecDirs: config.cdiSpecDirectories,
    DiscoveredDevices: await discoverDevices(config),
    Containerd: containerdInfo(engine),
    FirewallBackend: { Driver: 'nftables' },
    BridgeNfIptables: false,
    BridgeNfIp6tables: false,
    Warnings: infoWarnings(config, cgroups),
  }
  return { kind: 'json', status: 200, body: fieldsAt(request.version, GATES, body) }
}

/** Our own has no program that anybody could replace: berth-shim is told what to do. Another containerd's shim runs its runc. */
function runtimes({ config, peer }: Engine): Record<string, object> {
  const foreign = (name: string) => (name === 'berth-runc' ? name : 'runc')
  const own = OWN_RUNTIMES.map((name) => [name, { path: peer.isOwn ? 'berth-shim' : foreign(name) }] as const)
  const others = Object.entries(config.runtimes).map(([name, setting]) => [name, describeRuntime(setting)] as const)
  return Object.fromEntries([...own, ...others])
}

function describeRuntime({ path, args, shim }: RuntimeSetting): object {
  if (shim !== undefined) return { runtimeType: shim.type, options: shim.options }
  return { path, ...(args.length === 0 ? {} : { runtimeArgs: args }) }
}

function containerCounts(engine: Engine): Record<string, number> {
  const states = engine.containers.list().map((container) => container.state)
  const running = states.filter((state) => state.status === 'running').length
  const paused = states.filter((state) => state.status === 'paused').length
  return {
    Containers: states.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: states.filter((state) => !isAlive(state)).length,
  }
}

/** Null where there is none, as Docker prints it. */
async function discoverDevices({ cdiSpecDirectories }: Engine['config']): Promise<object[] | null> {
  if (!cdiSpecDirectories.some((path) => existsSync(path))) return null
  const { loadRegistry } = await import('../cdi/registry.ts')
  const names = [...loadRegistry(cdiSpecDirectories).devices.keys()].sort()
  return names.length === 0 ? null : names.map((ID) => ({ Source: 'cdi', ID }))
}

function limits(cgroups: CgroupFacts): Record<string, boolean> {
  return {
    MemoryLimit: cgroups.memory,
    SwapLimit: cgroups.swap,
    CpuCfsPeriod: cgroups.cpuQuota,
    CpuCfsQuota: cgroups.cpuQuota,
    CPUShares: cgroups.cpuShares,
    CPUSet: cgroups.cpuset,
    PidsLimit: cgroups.pids,
    OomKillDisable: cgroups.oomKillDisable,
  }
}

/** What is here is what was expected. */
function commit(id: string): object {
  return { ID: id, Expected: id }
}

function securityOptions(engine: Engine, cgroups: CgroupFacts): string[] {
  const isPrivate = (engine.config.defaultCgroupnsMode ?? (cgroups.version === '2' ? 'private' : 'host')) === 'private'
  return [
    ...(specHost(engine).hasAppArmor === true ? ['name=apparmor'] : []),
    `name=seccomp,profile=${engine.config.seccompProfile}`,
    ...(engine.config.idMap === undefined ? [] : ['name=userns']),
    ...(isPrivate ? ['name=cgroupns'] : []),
    ...(engine.config.noNewPrivileges ? ['name=no-new-privileges'] : []),
  ]
}

function containerdInfo(engine: Engine): object {
  const { containerdAddress, execRoot, containerdNamespace, containerdPluginNamespace } = engine.config
  return {
    Address: containerdAddress ?? `${execRoot}/containerd/containerd.sock`,
    Namespaces: { Containers: containerdNamespace, Plugins: containerdPluginNamespace },
  }
}
