// The bytes of a blob. A content store that is a directory of this host is read there: by gRPC each byte goes through two processes and a socket.
import { type FileHandle, open } from 'node:fs/promises'
import type { Digest } from '../../oci/digest.ts'
import type { ContainerdClient } from './client.ts'
import { blobPathIn } from './content-layout.ts'

/** Of one piece, at most. */
const PIECE_BYTES = 1 << 20

export interface ReadOptions {
  /** Left out: from the start. */
  offset?: number
  /** Left out: to the end. */
  sizeBytes?: number
  signal?: AbortSignal
}

/** Each piece is the caller's. Whoever reads for long holds the blob by a lease. Throws not-found where the namespace does not have it. */
export async function* readContent(
  client: ContainerdClient,
  digest: Digest,
  { offset = 0, sizeBytes, signal }: ReadOptions = {},
): AsyncGenerator<Buffer> {
  if (sizeBytes === 0) return
  const file = await openBlob(client, digest)
  if (file !== undefined) {
    const end = sizeBytes === undefined ? {} : { end: offset + sizeBytes - 1 }
    const stream = file.createReadStream({ start: offset, ...end, highWaterMark: PIECE_BYTES })
    for await (const piece of stream as AsyncIterable<Buffer>) {
      signal?.throwIfAborted()
      yield piece
    }
    return
  }
  const range = { digest, offset: BigInt(offset), size: BigInt(sizeBytes ?? 0) }
  for await (const { data } of client.content.read(range, signal === undefined ? {} : { signal }))
    yield Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}

/** Undefined where the store is no directory that can be seen from here, or not this one. */
async function openBlob(client: ContainerdClient, digest: Digest): Promise<FileHandle | undefined> {
  const { info } = await client.content.info({ digest })
  const directory = await client.contentDirectory()
  if (directory === undefined) return undefined
  const file = await open(blobPathIn(directory, digest), 'r').catch(() => undefined)
  if (file === undefined) return undefined
  if (BigInt((await file.stat()).size) === info?.size) return file
  await file.close()
  return undefined
}
