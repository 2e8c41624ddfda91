// POST /volumes/create, and the volumes that containers ask for.
import { generateId } from '../../base/ids.ts'
import type { Engine } from '../engine.ts'
import { publishVolumeEvent } from './publish-event.ts'
import { ANONYMOUS_LABEL, LOCAL_DRIVER, type Volume } from './volume.ts'
import type { NewVolume } from './volume-store.ts'

/** Without a name the volume is an anonymous one, and says so by a label. */
export async function createVolume(
  engine: Pick<Engine, 'volumes' | 'events'>,
  request: NewVolume,
): Promise<{ volume: Volume; isNew: boolean }> {
  const complete = request.name === '' ? asAnonymous(request, generateId()) : request
  const made = await engine.volumes.create(complete)
  if (made.isNew) publishVolumeEvent(engine, made.volume.name, 'create', { driver: made.volume.driver })
  return made
}

export function asAnonymous(request: NewVolume, name: string): NewVolume {
  return {
    ...request,
    name,
    driver: request.driver || LOCAL_DRIVER,
    labels: { ...(request.labels ?? {}), [ANONYMOUS_LABEL]: '' },
  }
}
