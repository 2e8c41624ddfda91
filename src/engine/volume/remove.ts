// DELETE /volumes/{name}.
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import { publishVolumeEvent } from './publish-event.ts'
import { referencesOf } from './references.ts'

type Host = Pick<Engine, 'volumes' | 'events' | 'containers'>

/** Throws conflict where a container has it, not-found where it is not and `isForced` is not said either. */
export async function removeVolume(engine: Host, name: string, { isForced }: { isForced: boolean }): Promise<void> {
  const removed = await engine.volumes.remove(name, { isForced, references: () => referencesOf(engine, name) })
  if (removed !== undefined) publishVolumeEvent(engine, name, 'destroy', { driver: removed.driver })
  else if (!isForced) throw new Failure('not-found', `get ${name}: no such volume`)
}
