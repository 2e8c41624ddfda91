// GET /containers/{id}/json: everything there is to know about a container.
import type { ContainerConfig, HostConfig } from '../../api/container-types.ts'
import type { ApiVersion } from '../http/route.ts'
import { chooseProfile } from '../apparmor/choose-profile.ts'
import { isAlive } from './container-state.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { countsAsRunning } from './container-state.ts'
import { logPlace } from '../logs/log-settings.ts'
import { mountPoints } from './mount-points.ts'
import { networkSettings } from './network-settings.ts'
import { hostnamePath, hostsPath, netnsPath, resolvConfPath } from './paths.ts'
import { parseSecurityOptions } from './spec/security-options.ts'
import { specHost } from './spec-facts.ts'
import type { ContainerSizes } from './sizes.ts'

const STORAGE_DRIVER = 'overlayfs'

/** Only json-file's is anybody's business. */
function logPath({ record, directory }: Container): string {
  const place = logPlace(record, directory)
  return place?.format === 'json-file' ? place.path : ''
}

export function inspectContainer(
  engine: Engine,
  container: Container,
  sizes: ContainerSizes | undefined,
  version: ApiVersion,
): Record<string, unknown> {
  const { record } = container
  const hasFiles = record.hasRun || isAlive(container.state)
  return {
    Id: record.id,
    Created: record.createdAt,
    Path: record.path,
    Args: record.args,
    State: inspectState(container),
    Image: record.image.id,
    ResolvConfPath: hasFiles ? resolvConfPath(container) : '',
    HostnamePath: hasFiles ? hostnamePath(container) : '',
    HostsPath: hasFiles ? hostsPath(container) : '',
    LogPath: hasFiles ? logPath(container) : '',
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: STORAGE_DRIVER,
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: appArmorProfile(engine, container),
    ExecIDs: runningExecIds(engine, container),
    HostConfig: inspectHostConfig(engine, container, version),
    ...(record.image.manifest === undefined || !version.atLeast('1.48')
      ? {}
      : { ImageManifestDescriptor: record.image.manifest }),
    ...(version.atLeast('1.52')
      ? { Storage: { RootFS: { Snapshot: { Name: STORAGE_DRIVER } } } }
      : { GraphDriver: { Data: null, Name: STORAGE_DRIVER } }),
    ...(sizes === undefined ? {} : { SizeRw: sizes.writableBytes, SizeRootFs: sizes.totalBytes }),
    Mounts: mountPoints(container),
    Config: inspectConfig(container, version),
    NetworkSettings: networkSettings(engine, container, netnsPath(engine, record.id), version),
  }
}

/** What was asked for, until a start has found out what the kernel and the container's other options make of it. */
function appArmorProfile(engine: Engine, { record, processSpec }: Container): string {
  const { SecurityOpt = [], Privileged = false } = record.hostConfig
  const { apparmor } = parseSecurityOptions(SecurityOpt ?? [], { noNewPrivileges: false })
  if (!record.hasRun && processSpec === undefined) return apparmor ?? ''
  return chooseProfile(specHost(engine).hasAppArmor === true, Privileged, apparmor)
}

/** Fields and the version that brought them. */
const NEWER_FIELDS = [
  ['DeviceCgroupRules', '1.28'],
  ['Init', '1.37'],
  ['MaskedPaths', '1.38'],
  ['ReadonlyPaths', '1.38'],
  ['DeviceRequests', '1.40'],
  ['CgroupnsMode', '1.41'],
  ['Annotations', '1.43'],
] as const satisfies readonly (readonly [keyof HostConfig, `${number}.${number}`])[]

/** And those that are gone. */
const FORMER_FIELDS = [
  ['KernelMemory', '1.42'],
  ['KernelMemoryTCP', '1.52'],
] as const satisfies readonly (readonly [keyof HostConfig, `${number}.${number}`])[]

/** Only what the client's version knows; the engine's limits are shown where the container has none of its own. */
function inspectHostConfig(engine: Engine, container: Container, version: ApiVersion): HostConfig {
  const { hostConfig } = container.record
  const shown: HostConfig = { ...hostConfig, Links: shownLinks(engine, container) }
  for (const [field, since] of NEWER_FIELDS) if (!version.atLeast(since)) delete shown[field]
  for (const [field, until] of FORMER_FIELDS) if (version.atLeast(until)) delete shown[field]
  const own = new Set((hostConfig.Ulimits ?? []).map(({ Name }) => Name))
  const inherited = Object.values(engine.config.defaultUlimits)
    .filter(({ name }) => !own.has(name))
    .map(({ name, soft, hard }) => ({ Name: name, Hard: hard, Soft: soft }))
  if (inherited.length > 0) shown.Ulimits = [...(hostConfig.Ulimits ?? []), ...inherited]
  return shown
}

/** Whom it is really linked to, by the names of now. */
function shownLinks(engine: Engine, container: Container): string[] | null {
  const links = [...engine.containers.links.childrenOf(container)]
  return links.length === 0 ? null : links.map(([alias, child]) => `/${child.name}:/${container.name}/${alias}`)
}

/** The address of the interface is its network's affair since 1.44; the field itself is gone since 1.52. */
function inspectConfig({ record }: Container, version: ApiVersion): ContainerConfig {
  const { MacAddress, ...config } = record.config
  if (config.Healthcheck?.StartInterval !== undefined && !version.atLeast('1.44')) {
    const { StartInterval: _, ...health } = config.Healthcheck
    config.Healthcheck = health
  }
  if (version.atLeast('1.52') && !config.OnBuild?.length) delete config.OnBuild
  return MacAddress && !version.atLeast('1.52') ? { ...config, MacAddress } : config
}

export function inspectState(container: Container): Record<string, unknown> {
  const { state } = container
  return {
    Status: state.status,
    Running: countsAsRunning(state),
    Paused: state.status === 'paused',
    Restarting: state.status === 'restarting',
    OOMKilled: state.oomKilled,
    Dead: state.status === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: state.startedAt,
    FinishedAt: state.finishedAt,
    ...(state.health === undefined ? {} : { Health: state.health }),
  }
}

function runningExecIds(engine: Engine, container: Container): string[] | null {
  const ids = [...container.execIds].filter((id) => engine.containers.execs.get(id)?.state.kind !== 'exited')
  return ids.length === 0 ? null : ids
}
