// GET, HEAD and DELETE of a blob.
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Digest } from '../../../oci/digest.ts'
import { ApiError } from '../api-error.ts'
import { holdBlob } from '../content/hold-blob.ts'
import type { RepositoryName } from '../names.ts'
import { headBlob, transferBlob } from '../proxy/pull-through.ts'
import { FileBody } from '../storage/file-body.ts'
import type { ByteRange } from '../storage/store.ts'
import { answerEmpty, digestFrom, type Exchange, repositoryOf } from './exchange.ts'
import { parseRange } from './parse-range.ts'

export async function getBlob(exchange: Exchange): Promise<void> {
  const { registry, request, response, route } = exchange
  const [name, digest] = [repositoryOf(exchange), digestFrom(route.reference)]
  const isHead = request.method === 'HEAD'
  const { size, open } = await findBlob(exchange, name, digest, isHead)
  const head = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'cache-control': 'max-age=31536000',
    'accept-ranges': 'bytes',
  }
  if (matches(request.headers['if-none-match'], digest)) return answerEmpty(exchange, 304, { etag: `"${digest}"` })
  if (isHead) {
    response.writeHead(200, { ...head, 'content-length': size })
    response.end()
    return
  }
  const range = parseRange(request.headers.range, size)
  if (range === 'unsatisfiable')
    throw new ApiError('RANGE_INVALID', { detail: { size }, headers: { 'content-range': `bytes */${size}` } })
  const { start, end } = range ?? { start: 0, end: size - 1 }
  const stream = size === 0 ? undefined : await open({ start, end })
  if (stream === undefined && size > 0) throw new ApiError('BLOB_UNKNOWN', { detail: digest })
  response.writeHead(range === undefined ? 200 : 206, {
    ...head,
    'content-length': end - start + 1,
    ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
  })
  if (stream === undefined) response.end()
  else if (stream instanceof FileBody) await stream.sendTo(response)
  else await pipeline(stream, response)
  registry.notifier.emit(exchange, 'pull', { digest, size, mediaType: 'application/octet-stream' })
}

interface FoundBlob {
  size: number
  /** Undefined where it is gone meanwhile. */
  open(range: ByteRange): Promise<Readable | undefined>
}

/** A client that asks whether a blob is there may be about to count on it: that keeps the collector away. */
async function findBlob(
  { registry }: Exchange,
  name: RepositoryName,
  digest: Digest,
  hold: boolean,
): Promise<FoundBlob> {
  const { store, clock } = registry
  const upstream = registry.upstreams.find(name)
  const fromStore = (range: ByteRange) => store.readBlob(digest, range)
  if (upstream !== undefined && !hold) {
    const transfer = transferBlob(registry, upstream, name, digest)
    const size = await transfer.size()
    if (size !== undefined) return { size, open: async (range) => (await transfer.open(range)) ?? fromStore(range) }
  }
  const size = (await store.isBlobLinked(name, digest))
    ? await (hold ? holdBlob(store, digest, clock) : store.statBlob(digest))
    : undefined
  if (size === undefined && upstream !== undefined) return { size: await headBlob(upstream, digest), open: fromStore }
  if (size === undefined) throw new ApiError('BLOB_UNKNOWN', { detail: digest })
  return { size, open: fromStore }
}

/** The repository's right to the blob; its bytes go with the last manifest that needs them. */
export async function deleteBlob(exchange: Exchange): Promise<void> {
  const { registry, route } = exchange
  const [name, digest] = [repositoryOf(exchange), digestFrom(route.reference)]
  if (!(await registry.store.unlinkBlob(name, digest))) throw new ApiError('BLOB_UNKNOWN', { detail: digest })
  registry.notifier.emit(exchange, 'delete', { digest })
  answerEmpty(exchange, 202)
}

export function matches(header: string | undefined, digest: Digest): boolean {
  return (header ?? '').split(',').some((each) => each.trim().replace(/^W\//, '').replaceAll('"', '') === digest)
}
