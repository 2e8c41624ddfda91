// A container's runtime spec: looks up what spec/ wants to know, and lets it decide.
import { mkdirSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import type { Engine } from '../engine.ts'
import type { Container, SnapshotMount } from './container.ts'
import { isRestarting, notRunning } from './container.ts'
import { isAlive } from './container-state.ts'
import { networkKind } from './network-settings.ts'
import { hostnamePath, hostsPath, netnsPath, resolvConfPath } from './paths.ts'
import { readUserFiles } from './read-user-files.ts'
import { buildRuntimeSpec } from './spec/build-runtime-spec.ts'
import { parseBind } from './spec/parse-bind.ts'
import { resolveAddedGroup, resolveUser } from './spec/resolve-user.ts'
import type { SpecInput } from './spec/spec-input.ts'
import { specDefaults, specHost } from './spec-facts.ts'

/** Relative to the bundle; the task service puts the snapshot there. */
const ROOTFS_PATH = 'rootfs'

export function buildSpec(engine: Engine, container: Container, mounts: readonly SnapshotMount[]): RuntimeSpec {
  const { config, hostConfig, volumes } = container.record
  const { passwd, group } = readUserFiles(engine, container, mounts)
  makeBindSources(container)
  return buildRuntimeSpec({
    id: container.id,
    config,
    hostConfig,
    user: resolveUser(config.User ?? '', passwd, group),
    addedGroups: (hostConfig.GroupAdd ?? []).map((name) => resolveAddedGroup(name, group)),
    rootfsPath: ROOTFS_PATH,
    files: {
      resolvConf: resolvConfPath(container),
      hostname: hostnamePath(container),
      hosts: hostsPath(container),
    },
    volumes,
    network: networkOf(engine, container),
    pidOf: {
      ...joined('pid', pidOfMode(engine, container, hostConfig.PidMode)),
      ...joined('ipc', pidOfMode(engine, container, hostConfig.IpcMode)),
    },
    ...shmPath(engine, container),
    host: specHost(engine),
    defaults: specDefaults(engine),
  })
}

/** `-v` makes a missing directory on the host, root's, as Docker always has. */
function makeBindSources(container: Container): void {
  for (const text of container.record.hostConfig.Binds ?? []) {
    const bind = parseBind(text)
    if (bind.kind !== 'bind') continue
    try {
      mkdirSync(bind.source, { recursive: true, mode: 0o755 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error // EEXIST: a file or a socket is bound
    }
  }
}

function networkOf(engine: Engine, container: Container): SpecInput['network'] {
  switch (networkKind(container)) {
    case 'host':
      return { kind: 'host' }
    case 'container': {
      const other = requireOther(engine, container, container.record.hostConfig.NetworkMode ?? '')
      return { kind: 'path', path: `/proc/${other.state.pid}/ns/net` }
    }
    default:
      return { kind: 'path', path: netnsPath(engine, container.id) }
  }
}

function pidOfMode(engine: Engine, container: Container, mode: string | undefined): number | undefined {
  return mode?.startsWith('container:') ? requireOther(engine, container, mode).state.pid : undefined
}

function joined<Key extends 'pid' | 'ipc'>(key: Key, pid: number | undefined): { [K in Key]?: number } {
  return pid === undefined ? {} : ({ [key]: pid } as { [K in Key]?: number })
}

/** A container that shares its ipc namespace shares /dev/shm as well, which is reached through its first process. */
function shmPath(engine: Engine, container: Container): { shmPath?: string } {
  const mode = container.record.hostConfig.IpcMode ?? ''
  if (!mode.startsWith('container:')) return {}
  return { shmPath: `/proc/${requireOther(engine, container, mode).state.pid}/root/dev/shm` }
}

/** Of `container:<name or id>`. */
function requireOther(engine: Engine, container: Container, mode: string): Container {
  const other = engine.containers.require(mode.slice('container:'.length))
  if (other === container) throw new Failure('invalid-argument', 'a container cannot join its own namespaces')
  if (other.state.status === 'restarting') throw isRestarting(other)
  if (!isAlive(other.state))
    throw new Failure(
      'conflict',
      `cannot join network namespace of a non running container: ${notRunning(other).message}`,
    )
  return other
}
