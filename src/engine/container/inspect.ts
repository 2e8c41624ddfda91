// GET /containers/{id}/json: everything there is to know about a container.
import type { ContainerConfig } from '../../api/container-types.ts'
import type { ApiVersion } from '../http/route.ts'
import { isAlive } from './container-state.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { countsAsRunning } from './container-state.ts'
import { mountPoints } from './mount-points.ts'
import { networkSettings } from './network-settings.ts'
import { hostnamePath, hostsPath, netnsPath, resolvConfPath } from './paths.ts'
import type { ContainerSizes } from './sizes.ts'

const STORAGE_DRIVER = 'overlayfs'

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
    LogPath: record.hostConfig.LogConfig?.Type === 'none' ? '' : container.logPath,
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: STORAGE_DRIVER,
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: runningExecIds(engine, container),
    HostConfig: record.hostConfig,
    ...(record.image.manifest === undefined || !version.atLeast('1.48')
      ? {}
      : { ImageManifestDescriptor: record.image.manifest }),
    ...(version.atLeast('1.52')
      ? { Storage: { RootFS: { Snapshot: { Name: STORAGE_DRIVER } } } }
      : { GraphDriver: { Data: null, Name: STORAGE_DRIVER } }),
    ...(sizes === undefined ? {} : { SizeRw: sizes.writableBytes, SizeRootFs: sizes.totalBytes }),
    Mounts: mountPoints(container),
    Config: inspectConfig(container, version),
    NetworkSettings: networkSettings(container, engine.network.describe(), netnsPath(engine, record.id), version),
  }
}

/** The address of the interface is its network's affair since 1.44; the field itself is gone since 1.52. */
function inspectConfig({ record }: Container, version: ApiVersion): ContainerConfig {
  const { MacAddress, ...config } = record.config
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
