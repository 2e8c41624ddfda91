// Snapshots for a user namespace: whose files they shall be, from the labels that containerd's clients set.
import { Failure } from '../../base/failure.ts'
import type { Labels } from './snapshotter.ts'

const UID_MAPPING = 'containerd.io/snapshot/uidmapping'
const GID_MAPPING = 'containerd.io/snapshot/gidmapping'

/** 2^32-1 is nobody's: chown(2) takes it for "leave it". */
const INVALID_ID = 0xffffffff

interface IdMapping {
  containerId: number
  hostId: number
  size: number
}

/** Mount options as containerd writes them, `uidmap=0:100000:65536`; none where no label asks for any. */
export function idMapOptions(labels: Labels): string[] {
  const [uids, gids] = [labels[UID_MAPPING], labels[GID_MAPPING]]
  return [...(uids === undefined ? [] : [`uidmap=${uids}`]), ...(gids === undefined ? [] : [`gidmap=${gids}`])]
}

/** Who is the root user of the namespace on the host. Undefined without labels; throws where root is nobody, or a label is no mapping. */
export function mappedRoot(labels: Labels): { uid: number; gid: number } | undefined {
  const [uids, gids] = [labels[UID_MAPPING], labels[GID_MAPPING]]
  if (uids === undefined && gids === undefined) return undefined
  return { uid: rootOf(parseMappings(uids ?? '')), gid: rootOf(parseMappings(gids ?? '')) }
}

function parseMappings(text: string): IdMapping[] {
  if (text === '') return []
  return text.split(',').map((part) => {
    const match = /^(-?\d+):(-?\d+):(-?\d+)$/.exec(part)
    if (!match) throw unreadable(`input value ${part} unparsable`)
    const [containerId = 0, hostId = 0, size = 0] = match.slice(1).map(Number)
    if ([containerId, hostId, size].some((value) => value < 0 || value >= INVALID_ID))
      throw unreadable(`invalid mapping "${part}"`)
    return { containerId, hostId, size }
  })
}

/** Without any mapping ids stay what they are. */
function rootOf(mappings: readonly IdMapping[]): number {
  if (mappings.length === 0) return 0
  const found = mappings.find(({ containerId, size }) => containerId === 0 && size > 0)
  if (found === undefined)
    throw new Failure('invalid-argument', 'failed to find root pair: container ID 0 cannot be mapped to a host ID')
  return found.hostId
}

function unreadable(what: string): Failure {
  return new Failure('invalid-argument', `failed to unmarshal snapshot ID mapped labels: ${what}`)
}
