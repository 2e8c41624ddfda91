// The story of an export: the named images as one archive on the client's stream.
import { exportArchive } from '../../image/archive/export-archive.ts'
import { CHUNK_BYTES } from './byte-stream.ts'
import { descriptorOf, ImageContent } from './image-content.ts'
import { inChunks } from './in-chunks.ts'
import { SOURCE_LABEL } from '../../registry/client/source-label.ts'
import type { StoreEnd } from './store-end.ts'
import type { ExportEnd } from './stream-ends.ts'
import type { TransferCall } from './transfer-call.ts'

export async function exportImages(call: TransferCall, store: StoreEnd, target: ExportEnd): Promise<void> {
  const { report, signal } = call
  report('Exporting')
  const content = new ImageContent(call)
  const { allPlatforms, skipCompatibilityManifest, skipNonDistributable } = target.message
  const images = store.lookup(call).map((image) => ({ name: image.name, target: descriptorOf(image.target!) }))
  const archive = exportArchive(
    { images, platforms: target.platforms, allPlatforms, skipCompatibilityManifest, skipNonDistributable },
    {
      read: (descriptor, sizeMax) => content.read(descriptor, sizeMax),
      stream: ({ digest }) => content.stream(digest),
      sourceAnnotations: ({ digest }) =>
        Object.fromEntries(Object.entries(content.labels(digest)).filter(([name]) => name.startsWith(SOURCE_LABEL))),
    },
  )
  await target.send(inChunks(archive, CHUNK_BYTES), signal)
  report('Completed export')
}
