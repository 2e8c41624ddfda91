// GET /volumes.
import type { VolumeList } from '../../api/volume-types.ts'
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Filters } from '../http/filters.ts'
import { describeVolume } from './describe.ts'
import { referencedVolumes } from './references.ts'
import type { Volume } from './volume.ts'

export async function listVolumes(
  engine: Pick<Engine, 'volumes' | 'containers'>,
  filters: Filters,
): Promise<VolumeList> {
  filters.check(['dangling', 'name', 'driver', 'label'])
  const isDangling = filters.has('dangling') ? filters.boolean('dangling', false) : undefined
  const used = referencedVolumes(engine)
  const { volumes, warnings } = await engine.volumes.list()
  const wanted = volumes.filter(
    (volume) =>
      filters.exact('driver', volume.driver) &&
      filters.pattern('name', volume.name) &&
      matchesLabels(filters, volume) &&
      (isDangling === undefined || isDangling !== used.has(volume.name)),
  )
  return {
    Volumes: wanted.map((volume) => describeVolume(volume)),
    Warnings: warnings.length === 0 ? null : warnings,
  }
}

/** `label!` leaves out what has all of the labels that it names. */
export function matchesLabels(filters: Filters, { labels }: Volume): boolean {
  const own = labels ?? {}
  if (!filters.labels('label', own)) return false
  return !filters.has('label!') || filters.get('label!').length === 0 || !filters.labels('label!', own)
}

/** As Go's ParseBool, which `all` of a prune is read with. */
export function parseGoBoolean(text: string): boolean {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false
  throw new Failure(
    'invalid-argument',
    `invalid filter 'all': strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`,
  )
}
