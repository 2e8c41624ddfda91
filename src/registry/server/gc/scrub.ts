// Reads every blob and compares it with its name: what a disk has silently lost is known before a client asks for it.
import { createHash } from 'node:crypto'
import { type Digest, splitDigest } from '../../../oci/digest.ts'
import type { Collector } from './collect.ts'

export interface Scrubbed {
  blobs: number
  bytes: number
  /** Those whose bytes have another digest, or can't be read. */
  bad: Digest[]
}

/** Changes nothing. Ends early, with what has been found, when the signal aborts. */
export async function scrub({ store, log }: Collector, signal?: AbortSignal): Promise<Scrubbed> {
  const result: Scrubbed = { blobs: 0, bytes: 0, bad: [] }
  for await (const digest of store.listBlobs()) {
    if (signal?.aborted) break
    const { algorithm, hex } = splitDigest(digest)
    const hash = createHash(algorithm)
    let reason = 'its bytes have another digest'
    try {
      const stream = await store.readBlob(digest)
      if (stream === undefined) continue // collected meanwhile
      for await (const part of stream) {
        hash.update(part as Buffer)
        result.bytes += (part as Buffer).length
      }
    } catch (error) {
      reason = String(error)
    }
    result.blobs++
    if (hash.digest('hex') === hex) continue
    result.bad.push(digest)
    log.error('blob is damaged', { digest, reason })
  }
  return result
}
