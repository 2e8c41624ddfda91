// POST /volumes/prune: local volumes without options that no container has.
import type { VolumePruneReport } from '../../api/volume-types.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Filters } from '../http/filters.ts'
import type { ApiVersion } from '../http/route.ts'
import { matchesLabels, parseGoBoolean } from './list.ts'
import { publishVolumeEvent } from './publish-event.ts'
import { referencedVolumes } from './references.ts'
import { removeVolume } from './remove.ts'
import { isPlain, sizeOf } from './usage.ts'
import { ANONYMOUS_LABEL, type Volume } from './volume.ts'

type Host = Pick<Engine, 'volumes' | 'events' | 'containers' | 'log'>

const running = new WeakSet<VolumePruneHost>()
type VolumePruneHost = Host['volumes']

/** Named volumes only where they are asked for, or where the client is older than that difference (1.42). */
export async function pruneVolumes(engine: Host, filters: Filters, version: ApiVersion): Promise<VolumePruneReport> {
  if (running.has(engine.volumes)) throw new Failure('conflict', 'a prune operation is already running')
  running.add(engine.volumes)
  try {
    const report = await prune(engine, filters, version)
    publishVolumeEvent(engine, '', 'prune', { reclaimed: String(report.SpaceReclaimed) })
    return report
  } finally {
    running.delete(engine.volumes)
  }
}

async function prune(engine: Host, filters: Filters, version: ApiVersion): Promise<VolumePruneReport> {
  const isAll = wantsAll(filters, version)
  filters.check(['label', 'label!', 'all'])
  const used = referencedVolumes(engine)
  const report: VolumePruneReport = { VolumesDeleted: [], SpaceReclaimed: 0 }
  const isWanted = (volume: Volume) =>
    isPlain(volume) &&
    !used.has(volume.name) &&
    (isAll || Object.hasOwn(volume.labels ?? {}, ANONYMOUS_LABEL)) &&
    matchesLabels(filters, volume)
  for (const volume of (await engine.volumes.list()).volumes.filter(isWanted)) {
    const size = await sizeOf(engine, volume)
    try {
      await removeVolume(engine, volume.name, { isForced: false })
    } catch (error) {
      engine.log.warn('a volume could not be pruned', { volume: volume.name, error: messageOf(error) }) // somebody has it by now
      continue
    }
    report.SpaceReclaimed += Math.max(0, size)
    report.VolumesDeleted.push(volume.name)
  }
  return report
}

function wantsAll(filters: Filters, version: ApiVersion): boolean {
  if (!version.atLeast('1.42') && !filters.has('all')) return true
  const values = filters.get('all')
  if (values.length > 1)
    throw new Failure('invalid-argument', `invalid filter 'all=[${values.join(' ')}]': only one value is expected`)
  const [text] = values
  return text === undefined ? false : parseGoBoolean(text)
}
