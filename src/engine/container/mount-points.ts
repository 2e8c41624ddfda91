// `Mounts` of inspect and list: what is mounted into a container by its user's wish.
import type { MountPoint } from '../../api/container-types.ts'
import type { Container } from './container.ts'

export function mountPoints({ record }: Container): MountPoint[] {
  return record.mountPoints.map((mount) => ({
    Type: mount.type,
    ...(mount.name === '' ? {} : { Name: mount.name }),
    Source: mount.source,
    Destination: mount.destination,
    ...(mount.driver === '' ? {} : { Driver: mount.driver }),
    Mode: mount.mode,
    RW: mount.readWrite,
    Propagation: mount.propagation,
  }))
}
