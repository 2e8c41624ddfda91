// A layer out of an archive that a client sends: kept as it comes where registries take it so, else gzipped.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough, pipeline, Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { UNCOMPRESSED_LABEL } from '../../image/archive/import-archive.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { type Digest, parseDigest } from '../../oci/digest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { decompress, detectCompression, MAGIC_BYTES } from '../../wire/compression/decompress.ts'
import { peekStart } from '../../wire/compression/peek-start.ts'
import { decompressUpload } from '../files/decompress-upload.ts'
import { ingestHeld } from './archive-blobs.ts'
import { addLabels } from './label-content.ts'
import type { Lease } from './lease.ts'

export interface StoredLayer {
  descriptor: Descriptor
  diffId: Digest
}

/** One pass over the source; what is in flight is bounded. Throws Failure('invalid-argument') for damaged compression. */
export async function storeLayer(
  lease: Lease,
  source: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<StoredLayer> {
  const { start, whole } = await peekStart(source, MAGIC_BYTES)
  const compression = detectCompression(start)
  const layer =
    compression === 'none' ? await gzipped(lease, whole, signal) : await asItIs(lease, whole, compression, signal)
  await addLabels(lease.client, layer.descriptor.digest, { [UNCOMPRESSED_LABEL]: layer.diffId })
  return layer
}

async function gzipped(lease: Lease, source: AsyncIterable<Buffer>, signal: AbortSignal): Promise<StoredLayer> {
  const hash = createHash('sha256')
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const part of decompressUpload(source)) {
      hash.update(part)
      yield part
    }
  }
  const gzip = createGzip()
  pipeline(Readable.from(hashed(), { objectMode: false }), gzip, () => {}) // an error destroys gzip, whose reader is told
  const stored = await ingestHeld(lease, gzip as AsyncIterable<Buffer>, { signal })
  const diffId = parseDigest(`sha256:${hash.digest('hex')}`)
  return { descriptor: { mediaType: MEDIA_TYPE.ociLayerGzip, ...stored }, diffId }
}

async function asItIs(
  lease: Lease,
  source: AsyncIterable<Buffer>,
  compression: 'gzip' | 'zstd',
  signal: AbortSignal,
): Promise<StoredLayer> {
  const tap = new PassThrough({ highWaterMark: TAP_BYTES })
  tap.on('error', () => {}) // of a write after its reader has gone: what the reader says counts
  const unpacked = digestOfStream(decompress(tap))
  unpacked.catch(() => {}) // awaited below, or the upload has told already
  async function* tapped(): AsyncGenerator<Buffer> {
    try {
      for await (const part of source) {
        if (!tap.write(part)) await Promise.race([once(tap, 'drain'), unpacked])
        yield part
      }
      tap.end()
      await unpacked // before the upload is committed: damaged bytes are not stored
    } finally {
      tap.destroy()
    }
  }
  const stored = await ingestHeld(lease, tapped(), { signal })
  const mediaType = compression === 'gzip' ? MEDIA_TYPE.ociLayerGzip : MEDIA_TYPE.ociLayerZstd
  return { descriptor: { mediaType, ...stored }, diffId: await unpacked }
}

const TAP_BYTES = 1024 * 1024

async function digestOfStream(source: AsyncIterable<Buffer>): Promise<Digest> {
  const hash = createHash('sha256')
  for await (const part of source) hash.update(part)
  return parseDigest(`sha256:${hash.digest('hex')}`)
}
