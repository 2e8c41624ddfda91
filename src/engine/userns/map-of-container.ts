// Whether a container has the daemon's id map, and the namespace by which mounts are mapped for it.
import type { Fd } from '../../linux/kernel.ts'
import { sharedUserNamespace } from '../../linux/user-namespace.ts'
import type { Container } from '../container/container.ts'
import type { Engine } from '../engine.ts'
import { formatMap, type IdMap, mappedRoot, type Owner, turnedAround } from './id-map.ts'

type Configured = Pick<Engine, 'config'>

/** Undefined: its ids are the host's, all of them or by `--userns=host`. */
export function mapOf({ config }: Configured, { record }: Pick<Container, 'record'>): IdMap | undefined {
  return record.hostConfig.UsernsMode === 'host' ? undefined : config.idMap
}

/** Whose the files are that the engine makes for the container; undefined: the host's root's, as whatever it makes. */
export function rootOf(engine: Configured, container: Pick<Container, 'record'>): Owner | undefined {
  const map = mapOf(engine, container)
  return map && mappedRoot(map)
}

/** For mounts that show an image's files as the container has them. It stays this process's. */
export function namespaceOf(map: IdMap): Fd {
  return sharedUserNamespace(formatMap(map.uid), formatMap(map.gid))
}

/** For mounts that show a container's files as an image has them. */
export function turnedNamespaceOf(map: IdMap): Fd {
  return namespaceOf(turnedAround(map))
}
