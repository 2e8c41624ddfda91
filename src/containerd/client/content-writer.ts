// The content store as a sink for downloaded blobs.
import { Failure, isFailure } from '../../base/failure.ts'
import { WriteAction, type WriteContentResponse } from '../../gen/services/content_pb.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { BlobSink, BlobSource } from '../../registry/client/puller.ts'
import type { ContainerdClient } from './client.ts'
import { IN_PLACE, UploadCall, writesOf } from './upload-bytes.ts'

/** Of the names of our uploads. */
export const UPLOAD_PREFIX = 'blob-'
export interface ContentSinkOptions {
  /** Labels that each blob gets; `gcRefLabels` of labels.ts where it refers to others. */
  labelsOf?: (descriptor: Descriptor) => Record<string, string>
}

/** What an upload of the blob is called. */
export function uploadRef(digest: Digest): string {
  return `${UPLOAD_PREFIX}${digest}`
}

/** How much of a blob an upload that broke off has left. */
export async function uploadedBytes(client: ContainerdClient, digest: Digest): Promise<number> {
  try {
    const { status } = await client.content.status({ ref: uploadRef(digest) })
    return Number(status?.offset ?? 0)
  } catch (error) {
    if (isFailure(error, 'not-found')) return 0
    throw error
  }
}

/**
 * Uploads are named after the digest: two that want the same blob at once take turns, and the second finds it there, or what the first has left. Where what is
 * left turns out to be of something else, the blob is written from its beginning.
 */
export function openContentSink(client: ContainerdClient, options: ContentSinkOptions = {}): BlobSink {
  return {
    has: (descriptor) => hasBlob(client, descriptor),
    write: async (descriptor, source, signal) => {
      const labels = options.labelsOf?.(descriptor) ?? {}
      for (let isFresh = false; ; ) {
        try {
          return await writeBlob(client, descriptor, labels, source, signal)
        } catch (error) {
          if (isFailure(error, 'already-exists')) return
          if (error instanceof WrongRest && !isFresh) {
            isFresh = true
            await client.content.abort({ ref: uploadRef(descriptor.digest) }).catch(ifGone)
            continue
          }
          if (error instanceof WrongRest) throw error.cause
          // Somebody else is writing it. `source` is untouched: the lock is asked for before the first byte is taken.
          if (!isFailure(error, 'unavailable') || !error.message.includes('locked for')) throw error
          await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS))
          if (signal.aborted) throw new Failure('cancelled', 'context canceled')
        }
      }
    },
    read: (descriptor, sizeMax) => readBlob(client, descriptor, sizeMax),
  }
}

const LOCK_RETRY_MS = 100

/** The upload can't become this blob for what it was before: the bytes that were there, or the size that somebody else claimed for the blob. */
class WrongRest extends Failure {
  constructor(cause: Failure) {
    super(cause.code, cause.message, { cause })
  }
}

function ifGone(error: unknown): void {
  if (!isFailure(error, 'not-found')) throw error
}

/** What this process writes at this moment: not every containerd refuses to throw away an upload that somebody is at. */
const uploading = new Set<Digest>()

export function isUploading(digest: Digest): boolean {
  return uploading.has(digest)
}

async function hasBlob(client: ContainerdClient, descriptor: Descriptor): Promise<boolean> {
  try {
    await client.content.info({ digest: descriptor.digest })
    return true
  } catch (error) {
    if (isFailure(error, 'not-found')) return false
    throw error
  }
}

/**
 * One Write stream: STAT takes the lock and tells what is there, WRITE per chunk, COMMIT; each is answered before the next but writes, which go on without
 * waiting. Where the source breaks, what it has given is written before its error is thrown.
 */
async function writeBlob(
  client: ContainerdClient,
  descriptor: Descriptor,
  labels: Record<string, string>,
  source: BlobSource,
  signal: AbortSignal,
): Promise<void> {
  const call = new UploadCall()
  const upload: Upload = { descriptor, labels, source, call, startOffset: 0, hasBegun: false }
  void call.begun.then((offset) => {
    if (offset !== undefined) uploading.add(descriptor.digest)
  })
  let last: WriteContentResponse | undefined
  try {
    for await (const response of client.content.write(requestsOf(client, upload), { signal, headers: IN_PLACE })) {
      call.answered(response.offset)
      last = response
    }
  } catch (error) {
    throw upload.broken?.error ?? asWrongRest(upload, error)
  } finally {
    call.end()
    if ((await call.begun) !== undefined) uploading.delete(descriptor.digest)
  }
  if (upload.broken !== undefined) throw upload.broken.error
  if (last?.action !== WriteAction.COMMIT)
    throw new Failure('data-loss', `content ${descriptor.digest}: the upload was not committed`)
}

interface Upload {
  descriptor: Descriptor
  labels: Record<string, string>
  source: BlobSource
  call: UploadCall
  /** Bytes that were there. */
  startOffset: number
  /** The lock is ours. */
  hasBegun: boolean
  /** What the source threw. */
  broken?: { error: unknown }
}

function asWrongRest({ startOffset, hasBegun }: Upload, error: unknown): unknown {
  if (!isFailure(error)) return error
  // The original containerd gives this one no code.
  const isOtherSize = !hasBegun && error.message.includes('provided total differs from status')
  const isOtherContent = startOffset > 0 && error.code === 'failed-precondition'
  return isOtherSize || isOtherContent ? new WrongRest(error) : error
}

async function* requestsOf(client: ContainerdClient, upload: Upload) {
  const { descriptor, labels, source, call } = upload
  const { digest: expected, size } = descriptor
  const common = { ref: uploadRef(expected), expected, total: BigInt(size) }
  yield { ...common, action: WriteAction.STAT }
  const there = await call.begun
  if (there === undefined) return // the lock is not ours: no byte of the source is taken
  upload.hasBegun = true
  // A write at 0 starts an upload over that is of no use.
  upload.startOffset = typeof source === 'function' && there <= size ? there : 0
  let offset = upload.startOffset
  try {
    const bytes = typeof source === 'function' ? source(offset) : source
    for await (const write of writesOf(bytes, { client, call, ref: common.ref, offset })) {
      yield { ...common, action: WriteAction.WRITE, ...write.message }
      offset = write.end
    }
  } catch (error) {
    upload.broken = { error }
    return
  }
  yield { ...common, action: WriteAction.COMMIT, offset: BigInt(offset), labels }
}

async function readBlob(client: ContainerdClient, descriptor: Descriptor, sizeMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const { data } of client.content.read({ digest: descriptor.digest })) {
    size += data.length
    if (size > sizeMax)
      throw new Failure('resource-exhausted', `content ${descriptor.digest} is larger than ${sizeMax} bytes`)
    parts.push(data)
  }
  return Buffer.concat(parts, size)
}
