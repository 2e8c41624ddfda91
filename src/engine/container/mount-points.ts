// `Mounts` of inspect and list: what is mounted into a container by its user's wish.
import type { MountPoint } from '../../api/container-types.ts'
import type { Container } from './container.ts'

const PROPAGATIONS = ['rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave']

export function mountPoints(container: Container): MountPoint[] {
  const { hostConfig, volumes } = container.record
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
    const [source = '', destination = '', mode = ''] = text.split(':')
    return source.startsWith('/') ? [bindPoint(source, destination, mode)] : []
  })
  const fromMounts = (hostConfig.Mounts ?? []).flatMap((mount) => {
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
        mount.BindOptions?.Propagation ?? 'rprivate',
      ),
    ]
  })
  return [...fromVolumes, ...fromBinds, ...fromMounts]
}

function bindPoint(source: string, destination: string, mode: string): MountPoint {
  const options = mode.split(',')
  const propagation = options.find((option) => PROPAGATIONS.includes(option)) ?? 'rprivate'
  return point('bind', source, destination, mode, !options.includes('ro'), propagation)
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
