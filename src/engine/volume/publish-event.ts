// Events of volumes, with the attributes that Docker gives each.
import type { Engine } from '../engine.ts'

export type VolumeAction = 'create' | 'mount' | 'unmount' | 'destroy' | 'prune'

export function publishVolumeEvent(
  engine: Pick<Engine, 'events'>,
  name: string,
  action: VolumeAction,
  attributes: Readonly<Record<string, string>>,
): void {
  engine.events.publish('volume', action, { ID: name, Attributes: attributes })
}
