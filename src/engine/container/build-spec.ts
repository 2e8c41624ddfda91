// A container's runtime spec: looks up what spec/ wants to know, and lets it decide.
import { Failure } from '../../base/failure.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import type { Engine } from '../engine.ts'
import type { Container, SnapshotMount } from './container.ts'
import { isRestarting, notRunning } from './container.ts'
import { isAlive } from './container-state.ts'
import { variablesOfLinked } from './links/linked-containers.ts'
import { makesNetnsItself, usersOf } from './join-users.ts'
import { networkKind } from './network-settings.ts'
import { hostnamePath, hostsPath, netnsPath, resolvConfPath } from './paths.ts'
import { readUserFiles } from './read-user-files.ts'
import { sharedMemoryPath } from './shared-memory.ts'
import { buildRuntimeSpec } from './spec/build-runtime-spec.ts'
import { resolveAddedGroup, resolveUser } from './spec/resolve-user.ts'
import type { SpecInput, SpecMount } from './spec/spec-input.ts'
import { specDefaults, specHost } from './spec-facts.ts'

/** Relative to the bundle; the task service puts the snapshot there. */
const ROOTFS_PATH = 'rootfs'

export function buildSpec(
  engine: Engine,
  container: Container,
  snapshot: readonly SnapshotMount[],
  mounts: readonly SpecMount[],
): RuntimeSpec {
  const { config, hostConfig } = container.record
  const { passwd, group } = readUserFiles(engine, container, snapshot)
  return buildRuntimeSpec({
    id: container.id,
    config,
    hostConfig,
    user: resolveUser(config.User ?? '', passwd, group),
    addedGroups: (hostConfig.GroupAdd ?? []).map((name) => resolveAddedGroup(name, group)),
    rootfsPath: ROOTFS_PATH,
    files: nameFiles(networkOwner(engine, container) ?? container),
    mounts,
    linkVariables: variablesOfLinked(engine, container),
    network: networkOf(engine, container),
    ...usersIn(engine, container),
    pidOf: {
      ...joined('pid', pidOwner(engine, container)?.state.pid),
      ...joined('ipc', ipcOwner(engine, container)?.state.pid),
    },
    ...shmPath(engine, container),
    host: specHost(engine),
    defaults: specDefaults(engine),
  })
}

function networkOf(engine: Engine, container: Container): SpecInput['network'] {
  switch (networkKind(container)) {
    case 'host':
      return { kind: 'host' }
    case 'container':
      return { kind: 'path', path: `/proc/${networkOwner(engine, container)?.state.pid}/ns/net` }
    default:
      return makesNetnsItself(engine, container)
        ? { kind: 'new' }
        : { kind: 'path', path: netnsPath(engine, container.id) }
  }
}

function usersIn(engine: Engine, container: Container): Pick<SpecInput, 'users'> {
  const others = [networkOwner, ipcOwner, pidOwner].map((ownerOf) => ownerOf(engine, container))
  const users = usersOf(
    engine,
    container,
    others.filter((other) => other !== undefined),
  )
  return users === undefined ? {} : { users }
}

function nameFiles(owner: Container): SpecInput['files'] {
  return { resolvConf: resolvConfPath(owner), hostname: hostnamePath(owner), hosts: hostsPath(owner) }
}

/** Who shares a network has the names that belong to its addresses, and inspect shows them. Throws conflict when the owner does not run. */
export function adoptNames(engine: Engine, container: Container): void {
  const owner = networkOwner(engine, container)
  if (owner === undefined) return
  const { Hostname = '', Domainname = '' } = owner.record.config
  Object.assign(container.record.config, { Hostname, Domainname })
}

function networkOwner(engine: Engine, container: Container): Container | undefined {
  const other = findOther(engine, container, container.record.hostConfig.NetworkMode)
  if (other !== undefined && !isAlive(other.state))
    throw new Failure('conflict', `cannot join network of a non running container: ${other.id}`)
  return other
}

function pidOwner(engine: Engine, container: Container): Container | undefined {
  const other = findOther(engine, container, container.record.hostConfig.PidMode)
  if (other !== undefined && !isAlive(other.state)) throw notRunning(other)
  return other
}

function ipcOwner(engine: Engine, container: Container): Container | undefined {
  const other = findOther(engine, container, container.record.hostConfig.IpcMode)
  if (other === undefined) return undefined
  const refuse = (reason: string): never => {
    throw new Failure('conflict', `can't join IPC of container ${other.id}: ${reason}`)
  }
  if (!isAlive(other.state)) refuse(notRunning(other).message)
  const mode = other.record.hostConfig.IpcMode ?? ''
  if (mode === '' || mode === 'private' || mode === 'none')
    refuse('non-shareable IPC (hint: use IpcMode:shareable for the donor container)')
  return other
}

function joined<Key extends 'pid' | 'ipc'>(key: Key, pid: number | undefined): { [K in Key]?: number } {
  return pid === undefined ? {} : ({ [key]: pid } as { [K in Key]?: number })
}

/** A container that shares its ipc namespace shares /dev/shm as well, which is reached through its first process. */
function shmPath(engine: Engine, container: Container): { shmPath?: string } {
  const other = ipcOwner(engine, container)
  const mounted = sharedMemoryPath(engine, other ?? container)
  if (mounted !== undefined) return { shmPath: mounted }
  return other === undefined ? {} : { shmPath: `/proc/${other.state.pid}/root/dev/shm` }
}

/** Of `container:<name or id>`; undefined for any other mode. */
function findOther(engine: Engine, container: Container, mode: string | undefined): Container | undefined {
  if (!mode?.startsWith('container:')) return undefined
  const other = engine.containers.require(mode.slice('container:'.length))
  if (other === container) throw new Failure('invalid-argument', 'a container cannot join its own namespaces')
  if (other.state.status === 'restarting') throw isRestarting(other)
  return other
}
