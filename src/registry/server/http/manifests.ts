// GET, HEAD, PUT and DELETE of manifests by tag or digest.
import type { IncomingMessage } from 'node:http'
import type { Digest } from '../../../oci/digest.ts'
import { digestOf } from '../../../oci/digest.ts'
import { MEDIA_TYPE } from '../../../oci/media-type.ts'
import { MANIFEST_BYTES_MAX } from '../../../oci/parse-manifest.ts'
import { ApiError } from '../api-error.ts'
import { isDigestOf, putManifest } from '../content/put-manifest.ts'
import { type FoundManifest, findManifest } from '../content/find-manifest.ts'
import type { EventTarget } from '../notifications/notifier.ts'
import { fetchManifest } from '../proxy/pull-through.ts'
import { requireMutable } from '../policy/immutable-tags.ts'
import { parseTag, type RepositoryName, type Tag } from '../names.ts'
import { matches } from './blobs.ts'
import { answerEmpty, type Exchange, locationOf, referenceOf, repositoryOf } from './exchange.ts'

/** Distribution-spec: a registry should take at least ten. */
const TAGS_MAX = 100

export async function getManifest(exchange: Exchange): Promise<void> {
  const { registry, request, response } = exchange
  const name = repositoryOf(exchange)
  const reference = referenceOf(exchange)
  const upstream = registry.upstreams.find(name)
  if (upstream !== undefined) await fetchManifest(registry, upstream, name, reference)
  const found = await acceptable(exchange, name, await findManifest(registry, name, reference), 'tag' in reference)
  const head = { 'docker-content-digest': found.digest, etag: `"${found.digest}"` }
  if (matches(request.headers['if-none-match'], found.digest)) return answerEmpty(exchange, 304, head)
  response.writeHead(200, { ...head, 'content-type': found.mediaType, 'content-length': found.bytes.length })
  response.end(request.method === 'HEAD' ? undefined : found.bytes)
  if (request.method === 'GET') registry.notifier.emit(exchange, 'pull', targetOf(exchange, name, found, reference))
}

/**
 * What the client can read. A client that says nothing, or anything, gets what is there. One that knows single images only gets a Docker
 * list's image for linux/amd64, as from the original. Throws MANIFEST_UNKNOWN for the rest.
 */
async function acceptable(
  exchange: Exchange,
  name: RepositoryName,
  found: FoundManifest,
  byTag: boolean,
): Promise<FoundManifest> {
  const accepted = acceptedTypes(exchange.request)
  if (accepted === undefined || accepted.has(found.mediaType)) return found
  const { document } = found
  if (found.mediaType === MEDIA_TYPE.dockerList && document.kind === 'index') {
    const image = document.manifests.find(
      ({ platform }) => platform?.os === 'linux' && platform.architecture === 'amd64',
    )
    if (!byTag) return found
    if (image !== undefined) return findManifest(exchange.registry, name, { digest: image.digest })
  }
  const kind = document.kind === 'index' ? 'index' : 'manifest'
  const types = document.kind === 'index' ? 'indexes' : 'manifests'
  throw new ApiError('MANIFEST_UNKNOWN', {
    message: `OCI ${kind} found, but accept header does not support OCI ${types}`,
  })
}

/** Undefined: anything. Only manifests' types count; who names none of them does not mean to choose. */
function acceptedTypes({ headers }: IncomingMessage): Set<string> | undefined {
  const types = (headers.accept ?? '*/*').split(',').map((each) => each.split(';')[0]?.trim().toLowerCase() ?? '')
  if (types.some((type) => type === '*/*' || type === 'application/*')) return undefined
  const known = types.filter((type) => MANIFEST_TYPES.has(type))
  return known.length === 0 ? undefined : new Set(known)
}

const MANIFEST_TYPES: ReadonlySet<string> = new Set([
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerList,
  MEDIA_TYPE.dockerManifest,
])

export async function uploadManifest(exchange: Exchange): Promise<void> {
  const { registry, request } = exchange
  const name = repositoryOf(exchange)
  const reference = referenceOf(exchange)
  const bytes = await readManifest(request)
  const mediaType = (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? ''
  const digest = 'digest' in reference ? reference.digest : digestOf(bytes)
  if (!isDigestOf(bytes, digest)) throw new ApiError('DIGEST_INVALID')
  const tags = 'tag' in reference ? [reference.tag] : extraTags(exchange)
  const document = await putManifest(registry, { name, bytes, mediaType, digest, tags })
  for (const tag of tags.length === 0 ? [undefined] : tags)
    registry.notifier.emit(
      exchange,
      'push',
      targetOf(exchange, name, { digest, bytes, mediaType: document.mediaType }, tag === undefined ? {} : { tag }),
    )
  answerEmpty(exchange, 201, {
    location: locationOf(exchange, `${name}/manifests/${digest}`),
    'docker-content-digest': digest,
    ...(document.subject === undefined ? {} : { 'oci-subject': document.subject.digest }),
    ...('digest' in reference && tags.length > 0 ? { 'oci-tag': tags.join(', ') } : {}),
  })
}

function targetOf(
  exchange: Exchange,
  name: RepositoryName,
  { digest, bytes, mediaType }: Pick<FoundManifest, 'digest' | 'bytes' | 'mediaType'>,
  reference: { tag?: Tag; digest?: Digest },
): EventTarget {
  const url = locationOf(exchange, `${name}/manifests/${digest}`)
  return { mediaType, digest, size: bytes.length, url, ...(reference.tag === undefined ? {} : { tag: reference.tag }) }
}

/** `?tag=a&tag=b` beside a digest (distribution-spec after 1.1). */
function extraTags({ url }: Exchange): Tag[] {
  const texts = url.searchParams.getAll('tag')
  if (texts.length > TAGS_MAX) throw new ApiError('TAG_INVALID', { message: 'too many tags', status: 414 })
  return texts.map((text) => {
    const tag = parseTag(text)
    if (tag === undefined) throw new ApiError('TAG_INVALID', { message: 'invalid tag', detail: text.slice(0, 300) })
    return tag
  })
}

async function readManifest(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request) {
    size += (part as Buffer).length
    if (size > MANIFEST_BYTES_MAX)
      throw new ApiError('MANIFEST_INVALID', {
        message: `manifest is larger than ${MANIFEST_BYTES_MAX} bytes`,
        status: 413,
      })
    parts.push(part as Buffer)
  }
  return Buffer.concat(parts)
}

/** By tag: the tag alone. By digest: the manifest and every tag that means it. */
export async function deleteManifest(exchange: Exchange): Promise<void> {
  const { registry } = exchange
  const { store } = registry
  const name = repositoryOf(exchange)
  const reference = referenceOf(exchange)
  if ('tag' in reference) {
    requireMutable(registry, name, reference.tag)
    if (!(await store.removeTag(name, reference.tag))) throw new ApiError('MANIFEST_UNKNOWN', { detail: reference })
    registry.notifier.emit(exchange, 'delete', { tag: reference.tag })
    return answerEmpty(exchange, 202)
  }
  const { digest, document } = await findManifest(registry, name, reference)
  const tags = await tagsOf(exchange, name, digest)
  for (const tag of tags) requireMutable(registry, name, tag)
  for (const tag of tags) await store.removeTag(name, tag)
  await store.unlinkManifest(name, digest, document.subject?.digest)
  registry.notifier.emit(exchange, 'delete', { digest, mediaType: document.mediaType })
  answerEmpty(exchange, 202)
}

async function tagsOf({ registry: { store } }: Exchange, name: RepositoryName, digest: Digest): Promise<string[]> {
  const found: string[] = []
  for (const tag of (await store.listTags(name)) ?? []) if ((await store.readTag(name, tag)) === digest) found.push(tag)
  return found
}
