// An image that an operation is going to read: held as what its name points at now, for a push packs it otherwise and lets go of what it was.
import type { ImageContent } from './image-store.ts'
import type { Lease } from './lease.ts'

/** `current` looks it up. What it still tells after all was held cannot have been collected before. Throws what `current` throws. */
export async function holdImage<T extends ImageContent>(
  lease: Pick<Lease, 'holdContent'>,
  current: () => Promise<T>,
): Promise<T> {
  for (let image = await current(); ; ) {
    const { target, manifest, configDescriptor, layers } = image
    await Promise.all([target, manifest, configDescriptor, ...layers].map(({ digest }) => lease.holdContent(digest)))
    const held = image
    image = await current()
    if (image.target.digest === held.target.digest && image.manifest.digest === held.manifest.digest) return image
  }
}
