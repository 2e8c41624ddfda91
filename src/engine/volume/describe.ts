// A volume as the API shows it.
import type { VolumeSummary } from '../../api/volume-types.ts'
import type { Volume } from './volume.ts'

/** Docker's word for a time that nobody knows. */
const NO_TIME = '0001-01-01T00:00:00Z'

/** `withStatus`: what the driver has to say of it, which lists leave out. */
export function describeVolume(volume: Volume, { withStatus = false }: { withStatus?: boolean } = {}): VolumeSummary {
  const { status = {} } = volume
  return {
    CreatedAt: volume.createdAt ?? NO_TIME,
    Driver: volume.driver,
    Labels: sorted(volume.labels),
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: sorted(volume.options),
    Scope: volume.scope,
    ...(withStatus && Object.keys(status).length > 0 ? { Status: status } : {}),
  }
}

/** As Go writes a map. */
function sorted(map: Volume['labels']): Volume['labels'] {
  return map && Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)))
}
