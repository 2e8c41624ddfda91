// The content store as a sink for downloaded blobs.
import { Failure, isFailure } from '../../base/failure.ts'
import { WriteAction, type WriteContentResponse } from '../../gen/services/content_pb.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { BlobSink } from '../../registry/client/puller.ts'
import type { ContainerdClient } from './client.ts'

/** Of the names of our uploads. */
export const UPLOAD_PREFIX = 'blob-'
/** Data of one message. */
const CHUNK_BYTES = 1 << 20

export interface ContentSinkOptions {
  /** Labels that each blob gets; `gcRefLabels` of labels.ts where it refers to others. */
  labelsOf?: (descriptor: Descriptor) => Record<string, string>
}

/** Uploads are named after the digest: two that want the same blob at once take turns, and the second finds it there. */
export function openContentSink(client: ContainerdClient, options: ContentSinkOptions = {}): BlobSink {
  return {
    has: (descriptor) => hasBlob(client, descriptor),
    write: async (descriptor, source, signal) => {
      const labels = options.labelsOf?.(descriptor) ?? {}
      for (;;) {
        try {
          return await writeBlob(client, descriptor, labels, source, signal)
        } catch (error) {
          if (isFailure(error, 'already-exists')) return
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

/** One Write stream: STAT takes the lock, WRITE per chunk, COMMIT; each is answered before the next but writes, which go on without waiting. */
async function writeBlob(
  client: ContainerdClient,
  descriptor: Descriptor,
  labels: Record<string, string>,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const gate = new Gate()
  void gate.opened.then((isMine) => {
    if (isMine) uploading.add(descriptor.digest)
  })
  const responses = client.content.write(requestsOf(descriptor, labels, source, gate), { signal })
  let last: WriteContentResponse | undefined
  try {
    for await (const response of responses) {
      gate.open(true)
      last = response
    }
  } finally {
    gate.open(false)
    if (await gate.opened) uploading.delete(descriptor.digest)
  }
  if (last?.action !== WriteAction.COMMIT)
    throw new Failure('data-loss', `content ${descriptor.digest}: the upload was not committed`)
}

async function* requestsOf(
  descriptor: Descriptor,
  labels: Record<string, string>,
  source: AsyncIterable<Uint8Array>,
  gate: Gate,
) {
  const { digest: expected, size } = descriptor
  const common = { ref: `${UPLOAD_PREFIX}${expected}`, expected, total: BigInt(size) }
  yield { ...common, action: WriteAction.STAT }
  if (!(await gate.opened)) return // the lock is not ours: no byte of the source is taken
  let offset = 0
  for await (const data of inChunks(source)) {
    // Offset 0 starts an upload over that an earlier process left unfinished.
    yield { ...common, action: WriteAction.WRITE, offset: BigInt(offset), data }
    offset += data.length
  }
  yield { ...common, action: WriteAction.COMMIT, offset: BigInt(offset), labels }
}

/** Pieces that fit into a message, not many more than are needed. */
export async function* inChunks(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  let size = 0
  for await (const data of source) {
    held.push(data)
    size += data.length
    if (size < CHUNK_BYTES) continue
    const joined = held.length === 1 ? held[0]! : Buffer.concat(held, size)
    for (let at = 0; at < joined.length; at += MESSAGE_DATA_MAX) yield joined.subarray(at, at + MESSAGE_DATA_MAX)
    held = []
    size = 0
  }
  if (size > 0) yield Buffer.concat(held, size)
}

/** Well below the largest message. */
const MESSAGE_DATA_MAX = 8 << 20

class Gate {
  #open: (isAnswered: boolean) => void = () => {}
  /** Whether the first answer came, or the call ended without one. */
  readonly opened = new Promise<boolean>((resolve) => {
    this.#open = resolve
  })

  open(isAnswered: boolean): void {
    this.#open(isAnswered)
  }
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
