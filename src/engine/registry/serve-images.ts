// The engine's images as a read-only registry below /v2/ (distribution-spec), for whoever may use its API: `serve-images` turns it on.
import { isFailure, messageOf } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { parseDigest } from '../../oci/digest.ts'
import { isTag } from '../../oci/parse-reference.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse, Handlers, HeaderPairs } from '../http/route.ts'
import { noSuchImage } from '../image/find-image.ts'
import { parseRecordName } from '../image/image-names.ts'
import type { ImageContent } from '../image/image-store.ts'
import { packImage } from '../image/pack-layers.ts'
import { findContent, isDocument } from './find-content.ts'
import { isRepositoryName, repositoryName } from './repository-name.ts'
import { sendContent } from './send-content.ts'

const PAGE_MAX = 1000
const COMMON: HeaderPairs = [['Docker-Distribution-Api-Version', 'registry/2.0']]

/** Nothing where it is off: then there is no such page. */
export function registryHandlers(engine: Engine): Handlers {
  if (!engine.config.servesImages) return {}
  const read = (request: ApiRequest) => answerRead(engine, request)
  const refuse = async () => refused(405, 'UNSUPPORTED', 'The operation is unsupported.', 'this registry is read-only')
  return {
    'GET /v2/{path}': read,
    'HEAD /v2/{path}': read,
    'POST /v2/{path}': refuse,
    'PUT /v2/{path}': refuse,
    'PATCH /v2/{path}': refuse,
    'DELETE /v2/{path}': refuse,
  }
}

async function answerRead(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const path = request.params['path'] ?? ''
  if (path === '') return json(200, {})
  if (path === '_catalog') return await listRepositories(engine, request)
  // From the right: a name may hold any of these words.
  const [, name = '', kind = '', what = ''] = /^(.+)\/(tags|manifests|blobs)\/([^/]+)$/.exec(path) ?? []
  if (kind === '') return refused(404, 'UNSUPPORTED', 'The operation is unsupported.')
  if (!isRepositoryName(name)) return refused(400, 'NAME_INVALID', 'invalid repository name')
  const tags = await findRepository(engine, name)
  if (tags === undefined) return refused(404, 'NAME_UNKNOWN', 'repository name not known to registry', { name })
  if (kind === 'tags') {
    if (what !== 'list') return refused(404, 'UNSUPPORTED', 'The operation is unsupported.')
    return page(request, `${name}/tags/list`, [...tags.keys()].filter(isTag), (list) => ({ name, tags: list }))
  }
  return kind === 'manifests'
    ? await sendManifest(engine, request, tags, what)
    : await sendBlob(engine, request, tags, what)
}

/** What its tags, and the digests that it was pulled by, stand for. */
type Repository = ReadonlyMap<string, Served>

interface Served {
  recordName: string
  target: Descriptor
}

async function findRepositories(engine: Engine): Promise<Map<string, Map<string, Served>>> {
  const found = new Map<string, Map<string, Served>>()
  for (const image of await engine.images.list())
    for (const recordName of image.recordNames) {
      const reference = parseRecordName(recordName)
      const name = reference && repositoryName(reference)
      if (reference === undefined || name === undefined) continue
      const tags = found.get(name) ?? new Map<string, Served>()
      found.set(name, tags)
      const { target } = image.contents.get(recordName) ?? image
      tags.set(reference.digest ?? reference.tag ?? 'latest', { recordName, target })
    }
  return found
}

async function findRepository(engine: Engine, name: string): Promise<Repository | undefined> {
  const all = await findRepositories(engine)
  return all.get(name) ?? (name.includes('/') ? undefined : all.get(`library/${name}`))
}

async function listRepositories(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const names = [...(await findRepositories(engine)).keys()]
  return page(request, '_catalog', names, (repositories) => ({ repositories }))
}

/** In lexical order; `n` and `last` as the spec has them. */
function page(
  { query }: ApiRequest,
  path: string,
  names: readonly string[],
  body: (list: string[]) => object,
): ApiResponse {
  const asked = query.get('n')
  if (asked !== null && !/^\d{1,9}$/.test(asked))
    return refused(400, 'PAGINATION_NUMBER_INVALID', 'invalid number of results requested', { n: asked })
  const last = query.get('last') ?? ''
  const size = Math.min(asked === null ? PAGE_MAX : Number(asked), PAGE_MAX)
  const left = [...names].sort().filter((name) => name > last)
  const list = left.slice(0, size)
  const next = list.at(-1)
  const hasMore = next !== undefined && left.length > list.length
  const link: HeaderPairs = hasMore
    ? [['Link', `</v2/${path}?last=${encodeURIComponent(next)}&n=${size}>; rel="next"`]]
    : []
  return json(200, body(list), link)
}

async function sendManifest(engine: Engine, request: ApiRequest, tags: Repository, what: string): Promise<ApiResponse> {
  if (!what.includes(':') && !isTag(what)) return refused(400, 'TAG_INVALID', 'manifest tag did not match URI')
  const found = what.includes(':')
    ? await findByDigest(engine, tags, what)
    : await findByTag(engine, tags.get(what), request.signal)
  if (found === 'invalid') return invalidDigest()
  if (found === undefined || !isDocument(found)) return manifestUnknown(what)
  return await send(engine, request, found, found.mediaType, () => manifestUnknown(what))
}

async function sendBlob(engine: Engine, request: ApiRequest, tags: Repository, what: string): Promise<ApiResponse> {
  const found = await findByDigest(engine, tags, what)
  if (found === 'invalid') return invalidDigest()
  const unknown = () => refused(404, 'BLOB_UNKNOWN', 'blob unknown to registry', { digest: what })
  if (found === undefined) return unknown()
  return await send(engine, request, found, 'application/octet-stream', unknown)
}

/** One that was committed here is sent as a push would send it, and compressed first: most programs want layers to be. */
async function findByTag(
  engine: Engine,
  served: Served | undefined,
  signal: AbortSignal,
): Promise<Descriptor | undefined> {
  if (served === undefined) return undefined
  const { recordName } = served
  const current = async (): Promise<ImageContent> => {
    const content = (await engine.images.list())
      .find(({ contents }) => contents.has(recordName))
      ?.contents.get(recordName)
    if (content === undefined) throw noSuchImage(recordName)
    return content
  }
  try {
    return (await packImage(engine, current, signal)).target
  } catch (error) {
    if (isFailure(error, 'not-found')) return undefined // removed meanwhile
    throw error
  }
}

async function findByDigest(
  engine: Engine,
  tags: Repository,
  text: string,
): Promise<Descriptor | 'invalid' | undefined> {
  try {
    const targets = [...tags.values()].map(({ target }) => target)
    return await findContent(engine.containerd, targets, parseDigest(text))
  } catch (error) {
    if (isFailure(error, 'invalid-argument')) return 'invalid'
    throw error
  }
}

/** Of an index only some manifests may be here: the others are as unknown as what never was. */
async function send(
  engine: Engine,
  request: ApiRequest,
  descriptor: Descriptor,
  contentType: string,
  unknown: () => ApiResponse,
): Promise<ApiResponse> {
  const { digest } = descriptor
  const headers: HeaderPairs = [...COMMON, ['Docker-Content-Digest', digest], ['Etag', `"${digest}"`]]
  try {
    return await sendContent(engine, request, descriptor, { contentType, headers })
  } catch (error) {
    if (isFailure(error, 'not-found')) return unknown()
    if (isFailure(error, 'out-of-range')) return refused(416, 'RANGE_INVALID', messageOf(error))
    throw error
  }
}

function manifestUnknown(what: string): ApiResponse {
  return refused(404, 'MANIFEST_UNKNOWN', 'manifest unknown', { reference: what })
}

function invalidDigest(): ApiResponse {
  return refused(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content')
}

/** The spec's error body. */
function refused(status: number, code: string, message: string, detail?: unknown): ApiResponse {
  return json(status, { errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] })
}

function json(status: number, body: object, more: HeaderPairs = []): ApiResponse {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`)
  return {
    kind: 'stream',
    status,
    contentType: 'application/json; charset=utf-8',
    headers: [...COMMON, ['Content-Length', String(bytes.length)], ...more],
    write: async (response) => {
      response.write(bytes)
    },
  }
}
