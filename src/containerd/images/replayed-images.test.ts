// Power loss that kept the journal and not all blobs that it tells of.
import assert from 'node:assert/strict'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { InfoSchema } from '../../gen/services/content_pb.ts'
import { ImageSchema } from '../../gen/services/images_pb.ts'
import { digestOf } from '../../oci/digest.ts'
import { silentLog } from '../../base/log.ts'
import { openMetadata } from '../fsck/open-metadata.ts'
import { messageCodec } from '../metadata/codec.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'

const CONTENT = messageCodec(InfoSchema)
const IMAGES = messageCodec(ImageSchema)

function putBlob(metadata: MetadataStore, root: string, text: string, references: readonly string[] = []): string {
  const digest = digestOf(Buffer.from(text))
  const labels = Object.fromEntries(references.map((id, at) => [`containerd.io/gc.ref.content.${at}`, id]))
  writeFileSync(join(root, 'content/blobs/sha256', digest.slice(7)), text)
  metadata.bucket('content', CONTENT).put(`moby/${digest}`, create(InfoSchema, { digest, size: 1n, labels }))
  return digest
}

function name(metadata: MetadataStore, image: string, digest: string): void {
  metadata.bucket('images', IMAGES).put(`moby/${image}`, create(ImageSchema, { name: image, target: { digest } }))
}

test('what has lost a layer is not there; a name means what it meant before; what is whole stays', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'replayed-'))
  try {
    const root = join(directory, 'root')
    mkdirSync(join(root, 'content/blobs/sha256'), { recursive: true })
    const metadata = await openMetadata(root, directory, silentLog)
    name(metadata, 'moved', putBlob(metadata, root, 'before'))
    await metadata.flush()
    const layer = putBlob(metadata, root, 'layer')
    const broken = putBlob(metadata, root, 'index', [putBlob(metadata, root, 'manifest', [layer])])
    name(metadata, 'moved', broken)
    name(metadata, 'new', broken)
    name(metadata, 'whole', putBlob(metadata, root, 'other', [putBlob(metadata, root, 'its layer')]))
    // As the disk is at this moment, but for the layer, whose name came to it without its bytes.
    const lost = join(directory, 'lost')
    cpSync(root, lost, { recursive: true })
    for (const file of readdirSync(root))
      if (file.startsWith('journal')) copyFileSync(join(root, file), join(lost, file))
    writeFileSync(join(lost, 'content/blobs/sha256', layer.slice(7)), '')
    await metadata.close()
    for (let start = 0; start < 2; start++) {
      const after = await openMetadata(lost, directory, silentLog)
      const images = after.bucket('images', IMAGES).list('moby/')
      assert.deepEqual(
        images.map(([key, { target }]) => [key, target?.digest]),
        [
          ['moby/moved', digestOf(Buffer.from('before'))],
          ['moby/whole', digestOf(Buffer.from('other'))],
        ],
      )
      await after.close()
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
})
