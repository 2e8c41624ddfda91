// Who is who in the containers' user namespaces: a map of the daemon's (userns-remap), and what follows from it for snapshots and owners.
import { Failure } from '../../base/failure.ts'
import type { IdMapping } from '../../oci/runtime-spec.ts'
import type { OwnerMap } from '../../trees/owner-map.ts'

export interface IdMap {
  uid: readonly IdMapping[]
  gid: readonly IdMapping[]
}

export interface Owner {
  uid: number
  gid: number
}

/** What the kernel shows for an id that a namespace has no name for (user_namespaces(7)). */
const OVERFLOW_ID = 65_534

/** The host's ids of the containers' root. Throws Failure where root has none. */
export function mappedRoot(map: IdMap): Owner {
  return { uid: toHost(map.uid, 0), gid: toHost(map.gid, 0) }
}

/** Throws Failure in the words of moby's user package. */
export function toHost(mappings: readonly IdMapping[], id: number): number {
  const found = mappings.find(({ containerID, size }) => id >= containerID && id < containerID + size)
  if (found === undefined) throw new Failure('unknown', `container ID ${id} cannot be mapped to a host ID`)
  return found.hostID + (id - found.containerID)
}

/** As the container's processes see it. */
export function toContainer(mappings: readonly IdMapping[], id: number): number {
  const found = mappings.find(({ hostID, size }) => id >= hostID && id < hostID + size)
  return found === undefined ? OVERFLOW_ID : found.containerID + (id - found.hostID)
}

/** Of files that lie with the host's ids, told and given in a container's. */
export function ownersOf(map: IdMap): OwnerMap {
  return {
    told: ({ uid, gid }) => ({ uid: toContainer(map.uid, uid), gid: toContainer(map.gid, gid) }),
    given: ({ uid, gid }) => ({ uid: toHost(map.uid, uid), gid: toHost(map.gid, gid) }),
  }
}

/** As containerd writes maps, `0:100000:65536,…`: container id, host id, size. */
export function formatMap(mappings: readonly IdMapping[]): string {
  return mappings.map(({ containerID, hostID, size }) => `${containerID}:${hostID}:${size}`).join(',')
}

/** A namespace in which the host's ids stand where the container's are: a mount by it shows what lies with the host's ids as the image has it. */
export function turnedAround(map: IdMap): IdMap {
  const turn = ({ containerID, hostID, size }: IdMapping) => ({ containerID: hostID, hostID: containerID, size })
  return { uid: map.uid.map(turn), gid: map.gid.map(turn) }
}

/** By which containerd makes a snapshot the namespace's (containerd's core/snapshots/snapshotter.go). */
export function snapshotLabels(map: IdMap | undefined): Record<string, string> {
  if (map === undefined) return {}
  return {
    'containerd.io/snapshot/uidmapping': formatMap(map.uid),
    'containerd.io/snapshot/gidmapping': formatMap(map.gid),
  }
}
