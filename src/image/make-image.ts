// A small image out of files at hand, for demonstrations and tests: layers are packed, config and manifest written to a layout.
import { createHash } from 'node:crypto'
import { pipeline, Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { MEDIA_TYPE } from '../oci/media-type.ts'
import type { ContainerDefaults } from '../oci/parse-image-config.ts'
import { hostPlatform } from '../oci/parse-platform.ts'
import type { Platform } from '../oci/platform.ts'
import { byteString, NO_XATTRS, type TarEntry } from '../wire/tar/entry.ts'
import { type TarSource, writeTar } from '../wire/tar/write-tar.ts'
import type { OciLayout } from './oci-layout.ts'

export interface ImageRecipe {
  /** From the bottom up. */
  layers: readonly (Iterable<TarSource> | AsyncIterable<TarSource>)[]
  config: ContainerDefaults
  platform?: Platform
  created?: Date
}

/** Writes all of it; the caller tags the manifest whose descriptor is returned. */
export async function makeImage(layout: OciLayout, recipe: ImageRecipe): Promise<Descriptor> {
  const platform = recipe.platform ?? hostPlatform()
  const created = (recipe.created ?? new Date(0)).toISOString()
  const layers: Descriptor[] = []
  const diffIds: Digest[] = []
  for (const sources of recipe.layers) {
    const hash = createHash('sha256')
    async function* hashed(): AsyncGenerator<Buffer> {
      for await (const part of writeTar(sources)) {
        hash.update(part)
        yield part
      }
    }
    const gzip = createGzip()
    pipeline(Readable.from(hashed(), { objectMode: false }), gzip, () => {}) // an error destroys gzip, whose reader is told
    layers.push(await layout.write(MEDIA_TYPE.ociLayerGzip, gzip))
    diffIds.push(`sha256:${hash.digest('hex')}` as Digest)
  }
  const document = {
    created,
    ...platform,
    config: recipe.config,
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: layers.map(() => ({ created, created_by: 'make-image' })),
  }
  const config = await layout.write(MEDIA_TYPE.ociConfig, Buffer.from(JSON.stringify(document)))
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers }
  const descriptor = await layout.write(MEDIA_TYPE.ociManifest, Buffer.from(JSON.stringify(manifest)))
  return { ...descriptor, platform }
}

/** An entry with what is usual left out: a plain file, owned by root, readable by all. */
export function imageFile(name: string, fields: Partial<TarEntry> & { content?: Uint8Array | string } = {}): TarSource {
  const { content = '', ...rest } = fields
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  const type = rest.type ?? 'file'
  const entry: TarEntry = {
    name: byteString(name),
    type,
    linkName: '',
    mode: type === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: { seconds: 0, nanos: 0 },
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: NO_XATTRS,
    ...rest,
    size: type === 'file' ? bytes.length : 0,
  }
  return { entry, content: [bytes] }
}
