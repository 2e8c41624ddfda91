// Where an image archive's blobs go: containerd's content store, under a lease.
import { UNCOMPRESSED_LABEL, type ArchiveBlobs } from '../../image/archive/import-archive.ts'
import { ingestBlob, type IngestOptions } from '../../containerd/client/ingest-blob.ts'
import { readContent } from '../../containerd/client/read-content.ts'
import { type Digest, parseDigest } from '../../oci/digest.ts'
import { Failure, isFailure } from '../../base/failure.ts'
import type { Lease } from './lease.ts'

export function archiveBlobs(lease: Lease, signal: AbortSignal): ArchiveBlobs {
  const { client } = lease
  return {
    async store({ expected }, bytes) {
      // What is there may be on its way out, with an image that has just been removed: it counts once it is held.
      if (expected !== undefined && (await holds(lease, expected))) return expected
      return (await ingestHeld(lease, bytes, { expected, signal })).digest
    },
    async write(mediaType, source, labels = {}) {
      const bytes = source instanceof Uint8Array ? [source] : source
      return { mediaType, ...(await ingestHeld(lease, bytes, { labels, signal })) }
    },
    async readStart(digest, sizeMax) {
      const parts: Uint8Array[] = []
      const range = { digest, offset: 0n, size: BigInt(sizeMax) }
      for await (const { data } of client.content.read(range)) parts.push(data)
      return Buffer.concat(parts).subarray(0, sizeMax)
    },
    stream: (digest) => readContent(client, digest, { signal }),
    async findPacked(diffId) {
      for await (const { info } of client.content.list({ filters: [`labels."${UNCOMPRESSED_LABEL}"==${diffId}`] }))
        for (const { digest, size } of info) {
          const known = parseDigest(digest)
          if (await holds(lease, known)) return { digest: known, size: Number(size) }
        }
      return undefined
    },
  }
}

/** Whoever had the same bytes before may be losing them at this moment. */
export async function ingestHeld(
  lease: Lease,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: IngestOptions,
): Promise<{ digest: Digest; size: number }> {
  const stored = await ingestBlob(lease.client, source, options)
  if (await holds(lease, stored.digest)) return stored
  throw new Failure('unavailable', `content ${stored.digest} was removed while it was stored`)
}

/** Whether it is here, and stays for as long as the lease lasts. */
export async function holds(lease: Lease, digest: Digest): Promise<boolean> {
  const isThere = () =>
    lease.client.content.info({ digest }).then(
      () => true,
      (error: unknown) => {
        if (isFailure(error, 'not-found')) return false
        throw error
      },
    )
  if (!(await isThere())) return false
  await lease.holdContent(digest)
  return await isThere()
}
