// A cache of other registries: what is asked for and not here is fetched, verified and kept. Tags are asked for anew each time, since they
// move; while the other registry can't be reached, what was fetched before is given out.
import type { IncomingMessage } from 'node:http'
import { isFailure, messageOf } from '../../../base/failure.ts'
import { type Digest, digestOf } from '../../../oci/digest.ts'
import { MEDIA_TYPE } from '../../../oci/media-type.ts'
import { MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../../../oci/parse-manifest.ts'
import { readBody } from '../../upstream/http-request.ts'
import { ApiError } from '../api-error.ts'
import { readManifest } from '../content/find-manifest.ts'
import { holdBlob } from '../content/hold-blob.ts'
import { isDigestOf } from '../content/put-manifest.ts'
import { beginUpload, cancelUpload, finishUpload, receiveBytes } from '../content/receive-upload.ts'
import type { RepositoryName, Tag } from '../names.ts'
import type { Registry } from '../registry.ts'
import { Transfer, type TransferProgress } from './transfer.ts'
import type { Upstream } from './upstreams.ts'

const ACCEPT = [MEDIA_TYPE.ociIndex, MEDIA_TYPE.ociManifest, MEDIA_TYPE.dockerList, MEDIA_TYPE.dockerManifest].join(
  ', ',
)
const HEAD_MS = 30_000
/** However large a blob is. */
const BLOB_MS = 6 * 3_600_000

/** Afterwards the manifest is here as it is there, if it is anywhere. Throws what the client is to be told. */
export async function fetchManifest(
  registry: Registry,
  upstream: Upstream,
  name: RepositoryName,
  reference: { digest: Digest } | { tag: Tag },
): Promise<void> {
  const { store, log } = registry
  if ('digest' in reference && (await readManifest(store, name, reference.digest)) !== undefined) return
  const word = 'digest' in reference ? reference.digest : reference.tag
  try {
    await registry.fetches.run(`${name} ${word}`, () => refresh(registry, upstream, name, reference))
  } catch (error) {
    const known = 'tag' in reference ? await store.readTag(name, reference.tag) : undefined
    if (error instanceof ApiError && error.status < 500) throw error
    if (known === undefined) throw toldOf(upstream, error)
    log.warn('upstream fails; what is here is given out', { upstream: upstream.host, error: messageOf(error) })
  }
}

async function refresh(
  registry: Registry,
  upstream: Upstream,
  name: RepositoryName,
  reference: { digest: Digest } | { tag: Tag },
): Promise<void> {
  const { store, clock } = registry
  const known = 'tag' in reference ? await store.readTag(name, reference.tag) : undefined
  const word = 'digest' in reference ? reference.digest : reference.tag
  // A HEAD does not count against limits of pulls.
  if (known !== undefined && (await headDigest(upstream, word)) === known) return
  const response = await ask(upstream, 'GET', `manifests/${word}`, { accept: ACCEPT })
  const bytes = await readBody(response, MANIFEST_BYTES_MAX)
  const mediaType = (response.headers['content-type'] ?? '').split(';')[0]?.trim() ?? ''
  const digest = 'digest' in reference ? reference.digest : digestOf(bytes)
  if (!isDigestOf(bytes, digest)) throw new ApiError('UNAVAILABLE', { detail: `${upstream.host} sends something else` })
  const document = parseManifestOrIndex(bytes, mediaType)
  // Its parts come when somebody asks for them.
  await store.writeBlob(digest, bytes)
  await store.linkManifest(name, digest, document.subject?.digest)
  if ((await holdBlob(store, digest, clock)) === undefined) await store.writeBlob(digest, bytes)
  if ('tag' in reference) await store.setTag(name, reference.tag, digest)
}

async function headDigest(upstream: Upstream, word: string): Promise<string | undefined> {
  const response = await ask(upstream, 'HEAD', `manifests/${word}`, { accept: ACCEPT })
  response.resume()
  return response.headers['docker-content-digest']?.toString()
}

/** The size of a blob that is there but need not be here. */
export async function headBlob(upstream: Upstream, digest: Digest): Promise<number> {
  try {
    const response = await ask(upstream, 'HEAD', `blobs/${digest}`)
    response.resume()
    return Number(response.headers['content-length'] ?? 0)
  } catch (error) {
    throw toldOf(upstream, error)
  }
}

/** The one transfer of the blob that is under way, or one that begins now. */
export function transferBlob(registry: Registry, upstream: Upstream, name: RepositoryName, digest: Digest): Transfer {
  const { transfers, store } = registry
  const key = `${name} ${digest}`
  const known = transfers.get(key)
  if (known !== undefined) return known
  const transfer = new Transfer({ store, name, digest }, (progress) =>
    fetchBlob(registry, upstream, { name, digest }, progress).finally(() => transfers.delete(key)),
  )
  transfers.set(key, transfer)
  return transfer
}

/** Afterwards the blob is one of the repository's. Its clients may all have gone: it is kept for the next. */
async function fetchBlob(
  registry: Registry,
  upstream: Upstream,
  { name, digest }: { name: RepositoryName; digest: Digest },
  progress: TransferProgress,
): Promise<void> {
  const { store } = registry
  if ((await store.isBlobLinked(name, digest)) && (await store.statBlob(digest)) !== undefined) return
  const id = await beginUpload(registry, name)
  try {
    const response = await ask(upstream, 'GET', `blobs/${digest}`, {}, BLOB_MS)
    const length = response.headers['content-length'] ?? ''
    // Without its size nothing can be promised to anybody before the end.
    if (/^\d{1,15}$/.test(length)) progress.begin(id, Number(length))
    await receiveBytes(registry, { name, id }, 0, bodyOf(response), progress.stored)
    await finishUpload(registry, { name, id }, digest)
  } catch (error) {
    await cancelUpload(registry, name, id).catch(() => {}) // purged by age
    throw toldOf(upstream, error)
  }
}

async function* bodyOf(response: IncomingMessage): AsyncGenerator<Uint8Array> {
  for await (const part of response) yield part as Buffer
}

/** Throws the answer for the client where it is no success. */
async function ask(
  { session, remoteName, host }: Upstream,
  method: 'GET' | 'HEAD',
  path: string,
  headers: Readonly<Record<string, string>> = {},
  limitMs = HEAD_MS,
): Promise<IncomingMessage> {
  const signal = AbortSignal.timeout(limitMs)
  const response = await session.request(method, `${remoteName}/${path}`, { name: remoteName, headers, signal })
  const status = response.statusCode ?? 0
  if (status === 200) return response
  response.resume()
  const detail = { upstream: host, status }
  if (status === 404) throw new ApiError(path.startsWith('blobs/') ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN', { detail })
  if (status === 401 || status === 403) throw new ApiError('DENIED', { detail })
  if (status === 429) {
    const after = response.headers['retry-after']
    throw new ApiError('TOOMANYREQUESTS', {
      detail,
      ...(after === undefined ? {} : { headers: { 'retry-after': after } }),
    })
  }
  throw new ApiError('UNAVAILABLE', { detail })
}

function toldOf({ host }: Upstream, error: unknown): ApiError {
  if (error instanceof ApiError && error.code !== 'DIGEST_INVALID') return error
  if (isFailure(error, 'unauthenticated')) return new ApiError('DENIED', { detail: { upstream: host } })
  return new ApiError('UNAVAILABLE', { detail: { upstream: host, error: messageOf(error) } })
}
