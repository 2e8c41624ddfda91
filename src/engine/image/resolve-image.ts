// Finds the image that a client names.
import type { Engine } from '../engine.ts'
import type { Image } from './image-store.ts'

/** Throws Failure('not-found', `No such image: …`) in Docker's words. */
export function resolveImage(engine: Pick<Engine, 'images'>, name: string): Promise<Image> {
  return engine.images.require(name)
}
