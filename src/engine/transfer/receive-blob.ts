// A blob as it comes from another engine, from where an earlier attempt has stopped.
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { abortUpload } from '../../containerd/client/abort-upload.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { uploadRef } from '../../containerd/client/content-writer.ts'
import { IN_PLACE, UploadCall, writesOf } from '../../containerd/client/upload-bytes.ts'
import { WriteAction, type WriteContentResponse } from '../../gen/services/content_pb.ts'
import type { Descriptor } from '../../oci/descriptor.ts'

/**
 * Verified against digest and size. What came before a connection broke stays, for the next attempt; bytes that are wrong do not. Throws conflict where the
 * upload does not stand at `offset`, or another one writes the same blob at this moment.
 */
export async function receiveBlob(
  client: ContainerdClient,
  { digest, size }: Descriptor,
  offset: number,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const common = { ref: uploadRef(digest), expected: digest, total: BigInt(size) }
  let isWrong = false
  const bounded = atMost(source, size - offset, () => {
    isWrong = true
  })
  const call = new UploadCall()
  async function* requests() {
    yield { ...common, action: WriteAction.STAT }
    const there = await call.begun
    if (there === undefined) return
    if (offset > 0 && there !== offset)
      throw new Failure('out-of-range', `write @${offset} must occur at current offset ${there}`)
    let at = offset
    for await (const write of writesOf(bounded, { client, call, ref: common.ref, offset })) {
      yield { ...common, action: WriteAction.WRITE, ...write.message }
      at = write.end
    }
    if (at < size) throw new Failure('aborted', `content ${digest}: ${at} of ${size} bytes came`)
    yield { ...common, action: WriteAction.COMMIT, offset: BigInt(at) }
  }
  let last: WriteContentResponse | undefined
  try {
    for await (const response of client.content.write(requests(), { signal, headers: IN_PLACE })) {
      call.answered(response.offset)
      last = response
    }
  } catch (error) {
    if (isWrong) {
      await abortUpload(client, common.ref)
      throw new Failure('invalid-argument', `content ${digest} is larger than ${size} bytes`)
    }
    if (isFailure(error, 'already-exists')) return
    if (isFailure(error, 'unavailable') && error.message.includes('locked for'))
      throw new Failure('conflict', `content ${digest} is being received already`)
    if (isFailure(error, 'out-of-range')) throw new Failure('conflict', messageOf(error), { cause: error })
    if (isFailure(error, 'failed-precondition'))
      throw new Failure('invalid-argument', messageOf(error), { cause: error })
    throw error
  } finally {
    call.end()
  }
  if (last?.action !== WriteAction.COMMIT)
    throw new Failure('data-loss', `content ${digest}: the upload was not committed`)
}

async function* atMost(
  source: AsyncIterable<Uint8Array>,
  bytesMax: number,
  onMore: () => void,
): AsyncGenerator<Uint8Array> {
  let left = bytesMax
  for await (const data of source) {
    left -= data.length
    if (left < 0) {
      onMore()
      throw new Failure('out-of-range', 'more bytes than were announced')
    }
    yield data
  }
}
