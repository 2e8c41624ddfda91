// Names that only the journal gives to images of which power loss has taken a part: the image is as if it had never come, and where the name meant
// another one before, it does so again.
import { ImageSchema } from '../../gen/services/images_pb.ts'
import { InfoSchema } from '../../gen/services/content_pb.ts'
import { labelReferences } from '../gc/mark.ts'
import { messageCodec } from '../metadata/codec.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'

/** To be run before the database takes in what was replayed. @param gone of settleReplayedBlobs. */
export function settleReplayedImages(metadata: MetadataStore, gone: ReadonlySet<string>): void {
  if (gone.size === 0) return
  const images = metadata.bucket('images', messageCodec(ImageSchema))
  const infos = metadata.bucket('content', messageCodec(InfoSchema))
  const isBroken = (namespace: string, target: string): boolean => {
    const seen = new Set<string>()
    const open = [target]
    for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
      const key = `${namespace}/${digest}`
      if (gone.has(key)) return true
      if (seen.has(key)) continue
      seen.add(key)
      for (const { kind, id } of labelReferences(namespace, infos.get(key)?.labels ?? {}))
        if (kind === 'content') open.push(id)
    }
    return false
  }
  for (const key of metadata.changedKeys('images')) {
    const namespace = key.slice(0, key.indexOf('/'))
    if (isBroken(namespace, images.get(key)?.target?.digest ?? '')) metadata.revert('images', key)
  }
}
