// Uploads of blobs: at once, streamed, in chunks, gone on with after a break, or mounted from another repository.
import type { IncomingMessage } from 'node:http'
import { inBatches } from '../../../base/batches.ts'
import type { Digest } from '../../../oci/digest.ts'
import { ApiError } from '../api-error.ts'
import {
  beginUpload,
  cancelUpload,
  finishUpload,
  mountBlob,
  receiveBytes,
  requireUpload,
} from '../content/receive-upload.ts'
import { parseRepositoryName, type RepositoryName, type UploadId } from '../names.ts'
import { answerEmpty, digestFrom, type Exchange, locationOf, repositoryOf, uploadOf } from './exchange.ts'
import { parseContentRange } from './parse-range.ts'

export async function startUpload(exchange: Exchange): Promise<void> {
  const { registry, url, request } = exchange
  const name = repositoryOf(exchange)
  if (await mounted(exchange, name)) return
  const digest = url.searchParams.get('digest')
  if (digest === null) return answerProgress(exchange, name, await beginUpload(registry, name), 0, 202)
  const wanted = digestFrom(digest)
  const id = await beginUpload(registry, name)
  try {
    await receiveBytes(registry, { name, id }, 0, inBatches(request))
    pushed(exchange, wanted, await finishUpload(registry, { name, id }, wanted))
  } catch (error) {
    await cancelUpload(registry, name, id).catch(() => {}) // its client has no address to go on with
    throw error
  }
  answerCreated(exchange, name, wanted)
}

/** False: nothing can be mounted, and the client goes on with an upload. */
async function mounted(exchange: Exchange, name: RepositoryName): Promise<boolean> {
  const { registry, url } = exchange
  const mount = url.searchParams.get('mount')
  if (mount === null) return false
  const digest = digestFrom(mount)
  const source = url.searchParams.get('from')
  const from = source === null ? undefined : parseRepositoryName(source)
  if (source !== null && from === undefined) return false
  if (!(await mountBlob(registry, name, digest, from))) return false
  registry.notifier.emit(exchange, 'mount', { digest, ...(from === undefined ? {} : { fromRepository: from }) })
  answerCreated(exchange, name, digest)
  return true
}

export async function patchUpload(exchange: Exchange): Promise<void> {
  const { registry, request } = exchange
  const [name, id] = [repositoryOf(exchange), uploadOf(exchange)]
  const size = await receiveBytes(registry, { name, id }, chunkOffset(request), inBatches(request))
  answerProgress(exchange, name, id, size, 202)
}

export async function putUpload(exchange: Exchange): Promise<void> {
  const { registry, request, url } = exchange
  const [name, id] = [repositoryOf(exchange), uploadOf(exchange)]
  const text = url.searchParams.get('digest')
  if (text === null) throw new ApiError('DIGEST_INVALID', { message: 'digest missing' })
  const digest = digestFrom(text)
  await receiveBytes(registry, { name, id }, chunkOffset(request), inBatches(request))
  pushed(exchange, digest, await finishUpload(registry, { name, id }, digest))
  answerCreated(exchange, name, digest)
}

export async function getUpload(exchange: Exchange): Promise<void> {
  const [name, id] = [repositoryOf(exchange), uploadOf(exchange)]
  const { size } = await requireUpload(exchange.registry, name, id)
  answerProgress(exchange, name, id, size, 204)
}

export async function deleteUpload(exchange: Exchange): Promise<void> {
  await cancelUpload(exchange.registry, repositoryOf(exchange), uploadOf(exchange))
  answerEmpty(exchange, 204)
}

/** Throws SIZE_INVALID for a chunk that is not as long as its range says. */
function chunkOffset({ headers }: IncomingMessage): number | undefined {
  const range = parseContentRange(headers['content-range'])
  if (range === undefined) return undefined
  const length = headers['content-length']
  if (length !== undefined && Number(length) !== range.end - range.start + 1) throw new ApiError('SIZE_INVALID')
  return range.start
}

function pushed(exchange: Exchange, digest: Digest, size: number): void {
  exchange.registry.notifier.emit(exchange, 'push', { digest, size, mediaType: 'application/octet-stream' })
}

function answerProgress(exchange: Exchange, name: RepositoryName, id: UploadId, size: number, status: 202 | 204): void {
  answerEmpty(exchange, status, {
    location: locationOf(exchange, `${name}/blobs/uploads/${id}`),
    range: `0-${Math.max(0, size - 1)}`,
    'docker-upload-uuid': id,
  })
}

function answerCreated(exchange: Exchange, name: RepositoryName, digest: Digest): void {
  answerEmpty(exchange, 201, {
    location: locationOf(exchange, `${name}/blobs/${digest}`),
    'docker-content-digest': digest,
  })
}
