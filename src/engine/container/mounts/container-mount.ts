// What is mounted into a container by its user's wish: a part of its record.
import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import type { Mount } from '../../../api/container-types.ts'

export type MountKind = 'bind' | 'volume' | 'tmpfs' | 'image'

export interface ContainerMount {
  readonly type: MountKind
  /** The volume's, or the image as it was asked for. */
  name: string
  /** Of a volume; empty until it is made. */
  driver: string
  /** On the host: of a volume where its driver has the data, of an image where it is mounted while the container runs. Empty for tmpfs. */
  source: string
  readonly destination: string
  readonly readWrite: boolean
  /** The options of `-v`, as inspect shows them. */
  mode: string
  propagation: string
  /** A volume that is empty gets what the image has at the destination. */
  readonly copiesUp: boolean
  /** A bind whose missing source is made, as a directory. */
  readonly makesSource: boolean
  /** As it was asked for. */
  readonly spec: Mount
}

/** Nobody has named it: it goes with its container. */
export function isAnonymous({ type, spec }: ContainerMount): boolean {
  return type === 'volume' && !spec.Source
}

/** Names one mount of one container to the volume's driver, the same after a restart of the engine. */
export function holderOf(containerId: string, { destination }: ContainerMount): string {
  return createHash('sha256').update(`${containerId}:${destination}`).digest('hex')
}

/** Without `.`, `..` and doubled or trailing slashes. */
export function cleanPath(path: string): string {
  return posix.normalize(path).replace(/(?<=.)\/$/, '')
}
