// Bytes whose digest is not known before the last of them, into the content store.
import { createHash, randomBytes } from 'node:crypto'
import { Failure, isFailure } from '../../base/failure.ts'
import { WriteAction, type WriteContentResponse } from '../../gen/services/content_pb.ts'
import { type Digest, parseDigest, splitDigest } from '../../oci/digest.ts'
import { abortUpload } from './abort-upload.ts'
import type { ContainerdClient } from './client.ts'
import { UPLOAD_PREFIX } from './content-writer.ts'
import { IN_PLACE, UploadCall, writesOf } from './upload-bytes.ts'

export interface IngestOptions {
  /** Bytes of another digest are refused. */
  expected?: Digest | undefined
  labels?: Readonly<Record<string, string>>
  signal: AbortSignal
}

/** Bytes that are there already are taken for stored. Where it fails nothing of them stays. */
export async function ingestBlob(
  client: ContainerdClient,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { expected, labels = {}, signal }: IngestOptions,
): Promise<{ digest: Digest; size: number }> {
  const ref = `${UPLOAD_PREFIX}${randomBytes(12).toString('hex')}`
  const stated = new Stated()
  const algorithm = expected === undefined ? 'sha256' : splitDigest(expected).algorithm
  const hash = algorithm === 'sha256' ? undefined : createHash(algorithm)
  let size = 0
  let digest: Digest | undefined
  let broken: unknown
  const call = new UploadCall()
  async function* requests() {
    yield { ref, action: WriteAction.STAT }
    for await (const write of writesOf(watched(), { client, call, ref, offset: 0 })) {
      yield { ref, action: WriteAction.WRITE, ...write.message }
      size = write.end
    }
    if (hash === undefined) {
      // It has hashed them all: to do so here too would only take time.
      yield { ref, action: WriteAction.STAT }
      digest = await stated.digest
      if (digest === undefined) return
    } else digest = parseDigest(`${algorithm}:${hash.digest('hex')}`)
    if (expected !== undefined && digest !== expected) {
      broken = new Failure('failed-precondition', `unexpected commit digest ${digest}, expected ${expected}`)
      throw broken
    }
    const total = { total: BigInt(size), offset: BigInt(size) }
    yield { ref, action: WriteAction.COMMIT, ...total, expected: digest, labels: { ...labels } }
  }
  /** What the source fails with is told as it is, whatever the call makes of it. */
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      for await (const data of source) {
        hash?.update(data)
        yield data
      }
    } catch (error) {
      broken = error
      throw error
    }
  }
  let last: WriteContentResponse | undefined
  try {
    for await (const response of client.content.write(requests(), { signal, headers: IN_PLACE })) {
      if (last !== undefined && response.action === WriteAction.STAT) stated.tell(parseDigest(response.digest))
      call.answered(response.offset)
      last = response
    }
    if (digest === undefined || last?.action !== WriteAction.COMMIT)
      throw new Failure('data-loss', 'content: the upload was not committed')
    return { digest, size }
  } catch (error) {
    call.end()
    await abortUpload(client, ref)
    if (digest !== undefined && isFailure(error, 'already-exists')) return { digest, size }
    throw broken ?? error
  } finally {
    call.end()
    stated.tell(undefined)
  }
}

/** What containerd has hashed; undefined where the call ended before it told. */
class Stated {
  tell: (digest: Digest | undefined) => void = () => {}
  readonly digest = new Promise<Digest | undefined>((resolve) => {
    this.tell = resolve
  })
}
