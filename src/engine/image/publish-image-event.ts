// Events of images: their labels and their name are attributes.
import type { Engine } from '../engine.ts'
import type { Image } from './image-store.ts'

export function publishImageEvent(
  engine: Engine,
  action: 'create' | 'pull' | 'push' | 'save' | 'load' | 'import' | 'tag' | 'untag' | 'delete',
  id: string,
  name: string,
  image: Pick<Image, 'config'> | undefined,
): void {
  const labels = image?.config.config.Labels ?? {}
  engine.events.publish('image', action, { ID: id, Attributes: { ...labels, name } })
}
