// GET /info: what `docker info` prints.
import { existsSync, readdirSync } from 'node:fs'
import { cpus, hostname, totalmem } from 'node:os'
import { API_VERSION, BERTH_VERSION } from '../../api/versions.ts'
import { isAlive } from '../container/container-state.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse, ApiVersion } from '../http/route.ts'
import { LOG_DRIVERS } from '../logs/log-drivers.ts'
import { type CgroupFacts, cgroupFacts } from './cgroup-facts.ts'
import { isSysctlOn, kernelVersion, machineArchitecture, operatingSystem } from './host-facts.ts'
import { OWN_RUNTIMES, type RuntimeSetting } from '../settings/runtime-setting.ts'
import { registryConfig } from './registry-config.ts'

export async function showInfo(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const images = await engine.images.list()
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
      Authorization: null,
      Log: LOG_DRIVERS,
    },
    ...limits(cgroups),
    IPv4Forwarding: isSysctlOn('net.ipv4.ip_forward'),
    Debug: config.debug,
    NFd: readdirSync('/proc/self/fd').length,
    NGoroutines: 0,
    SystemTime: new Date(engine.clock.now()).toISOString(),
    LoggingDriver: config.logDriver,
    CgroupDriver: 'cgroupfs',
    CgroupVersion: cgroups.version,
    NEventsListener: engine.events.listenerCount,
    KernelVersion: kernelVersion(),
    OperatingSystem: system.name,
    OSVersion: system.version,
    OSType: 'linux',
    Architecture: machineArchitecture(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registryConfig(config, request.version),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    GenericResources: null,
    DockerRootDir: config.dataRoot,
    HttpProxy: '',
    HttpsProxy: '',
    NoProxy: '',
    Name: hostname(),
    Labels: config.labels,
    ExperimentalBuild: false,
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
    InitBinary: 'berth-shim',
    ...commits(request.version),
    SecurityOptions: securityOptions(engine, cgroups),
    ...(request.version.atLeast('1.44') ? { CDISpecDirs: config.cdiSpecDirectories } : {}),
    ...(request.version.atLeast('1.50') ? { DiscoveredDevices: await discoverDevices(config) } : {}),
    ...(request.version.atLeast('1.46') ? { Containerd: containerdInfo(engine) } : {}),
    ...(request.version.atLeast('1.49') ? { FirewallBackend: { Driver: 'nftables' } } : {}),
    ...(request.version.atLeast('1.50') ? {} : { BridgeNfIptables: false, BridgeNfIp6tables: false }),
    Warnings: warnings(engine, cgroups),
  }
  return { kind: 'json', status: 200, body }
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

/** Before 1.49 the commit that was expected stood beside the one that is. */
function commits(version: ApiVersion): Record<string, object> {
  const commit = (id: string) => (version.atLeast('1.49') ? { ID: id } : { ID: id, Expected: id })
  return { ContainerdCommit: commit(BERTH_VERSION), RuncCommit: commit(BERTH_VERSION), InitCommit: commit('') }
}

function securityOptions(engine: Engine, cgroups: CgroupFacts): string[] {
  return [
    'name=seccomp,profile=builtin',
    ...(cgroups.version === '2' ? ['name=cgroupns'] : []),
    ...(engine.config.noNewPrivileges ? ['name=no-new-privileges'] : []),
  ]
}

function containerdInfo(engine: Engine): object {
  const { containerdAddress, execRoot, containerdNamespace } = engine.config
  return {
    Address: containerdAddress ?? `${execRoot}/containerd/containerd.sock`,
    Namespaces: { Containers: containerdNamespace, Plugins: `plugins.${containerdNamespace}` },
  }
}

function warnings(engine: Engine, cgroups: CgroupFacts): string[] | null {
  const found = [
    ...(cgroups.memory ? [] : ['WARNING: No memory limit support']),
    ...(cgroups.swap || !cgroups.memory ? [] : ['WARNING: No swap limit support']),
    ...(cgroups.pids ? [] : ['WARNING: No pids limit support']),
    ...(isSysctlOn('net.ipv4.ip_forward') ? [] : ['WARNING: IPv4 forwarding is disabled']),
    ...engine.config.hosts
      .filter((host) => !host.startsWith('unix://'))
      .map(
        (host) => `WARNING: API is accessible on ${host} without encryption (API ${API_VERSION}): it is root access`,
      ),
  ]
  return found.length === 0 ? null : found
}
