// `Mounts` of inspect and list: what is mounted into a container by its user's wish.
import type { HostConfig, Mount, MountPoint } from '../../api/container-types.ts'
import type { Container } from './container.ts'
import { parseBind } from './spec/parse-bind.ts'

export function mountPoints(container: Container): MountPoint[] {
  const { hostConfig, volumes, inheritedMounts } = container.record
  const fromVolumes = volumes.map(
    (volume): MountPoint => ({
      Type: 'volume',
      Name: volume.name,
      Source: volume.source,
      Destination: volume.destination,
      Driver: 'local',
      Mode: volume.mode,
      RW: volume.readWrite,
      Propagation: '',
    }),
  )
  const fromBinds = (hostConfig.Binds ?? []).flatMap((text) => {
    const { kind, source, destination, mode, readWrite, propagation } = parseBind(text)
    return kind === 'bind' ? [point('bind', source, destination, mode, readWrite, propagation || 'rprivate')] : []
  })
  const fromMounts = [...(inheritedMounts ?? []), ...(hostConfig.Mounts ?? [])].flatMap((mount) => {
    if (mount.Type === 'tmpfs') return [point('tmpfs', '', mount.Target ?? '', '', true, '')]
    if (mount.Type !== 'bind') return []
    const readWrite = mount.ReadOnly !== true
    return [
      point(
        'bind',
        mount.Source ?? '',
        mount.Target ?? '',
        '',
        readWrite,
        mount.BindOptions?.Propagation || 'rprivate',
      ),
    ]
  })
  return [...fromVolumes, ...fromBinds, ...fromMounts]
}

/** The binds of `-v` in the form of `--mount`. */
export function bindsAsMounts(hostConfig: HostConfig): Mount[] {
  return (hostConfig.Binds ?? []).flatMap((text) => {
    const { kind, source, destination, readWrite, propagation } = parseBind(text)
    if (kind !== 'bind') return []
    const options = propagation === '' ? {} : { BindOptions: { Propagation: propagation } }
    return [{ Type: 'bind', Source: source, Target: destination, ReadOnly: !readWrite, ...options }]
  })
}

function point(
  type: MountPoint['Type'],
  source: string,
  destination: string,
  mode: string,
  readWrite: boolean,
  propagation: string,
): MountPoint {
  return { Type: type, Source: source, Destination: destination, Mode: mode, RW: readWrite, Propagation: propagation }
}
