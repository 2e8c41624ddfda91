// Lists: the API's root, the catalogue, tags and referrers, with their paging.
import type { Descriptor } from '../../../oci/descriptor.ts'
import type { Digest } from '../../../oci/digest.ts'
import { MEDIA_TYPE } from '../../../oci/media-type.ts'
import { MANIFEST_BYTES_MAX } from '../../../oci/parse-manifest.ts'
import { ApiError } from '../api-error.ts'
import { readManifest } from '../content/find-manifest.ts'
import type { RepositoryName } from '../names.ts'
import { answerJson, digestFrom, type Exchange, repositoryOf } from './exchange.ts'

/** An index without its entries. */
const INDEX_FRAME_BYTES = 256

/** What `_catalog` gives unasked. */
const CATALOG_COUNT = 100

export async function getBase({ response, request }: Exchange): Promise<void> {
  // Without a line's end: byte for byte what clients have always got here.
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': 2 })
  response.end(request.method === 'HEAD' ? undefined : '{}')
}

export async function getCatalog(exchange: Exchange): Promise<void> {
  const { settings, store } = exchange.registry
  const count = countOf(exchange, settings.catalogMax) ?? Math.min(CATALOG_COUNT, settings.catalogMax)
  const { page, link } = pageOf(exchange, await store.listRepositories(), count)
  answerJson(exchange, 200, { repositories: page }, link)
}

export async function getTags(exchange: Exchange): Promise<void> {
  const name = repositoryOf(exchange)
  const tags = await exchange.registry.store.listTags(name)
  if (tags === undefined) throw new ApiError('NAME_UNKNOWN', { detail: { name } })
  const { page, link } = pageOf(exchange, tags, countOf(exchange))
  answerJson(exchange, 200, { name, tags: page }, link)
}

/** Undefined without `n`. Throws PAGINATION_NUMBER_INVALID. */
function countOf({ url }: Exchange, max = Number.MAX_SAFE_INTEGER): number | undefined {
  const text = url.searchParams.get('n')
  if (text === null || text === '') return undefined
  const count = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(count) || count > max) throw new ApiError('PAGINATION_NUMBER_INVALID', { detail: { n: text } })
  return count
}

/** What comes after `last`, and where it goes on. */
function pageOf({ url }: Exchange, sorted: readonly string[], count = sorted.length) {
  const last = url.searchParams.get('last') ?? ''
  const rest = last === '' ? sorted : sorted.slice(firstAfter(sorted, last))
  const page = rest.slice(0, count)
  const end = page.at(-1)
  if (end === undefined || page.length === rest.length) return { page, link: {} }
  const query = new URLSearchParams({ last: end, n: String(count) })
  return { page, link: { link: `<${url.pathname}?${query}>; rel="next"` } }
}

/** Of a sorted list, which may be long. */
function firstAfter(sorted: readonly string[], last: string): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? '') <= last) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * An index of what has this subject, in order of digests; empty where there is none, since clients take a 404 for a registry without this
 * list. In pages of `n`, and of what fits into the size of an index that clients take: RFC 8288's `next` says where it goes on.
 */
export async function getReferrers(exchange: Exchange): Promise<void> {
  const { url, registry, route } = exchange
  const name = repositoryOf(exchange)
  const subject = digestFrom(route.reference)
  const wanted = url.searchParams.get('artifactType') ?? ''
  const count = countOf(exchange) ?? Number.MAX_SAFE_INTEGER
  const all = await registry.store.listReferrers(name, subject)
  const last = url.searchParams.get('last') ?? ''
  const manifests: Descriptor[] = []
  let link = {}
  let bytes = INDEX_FRAME_BYTES
  for (const digest of last === '' ? all : all.slice(firstAfter(all, last))) {
    const found = await describeReferrer(exchange, name, digest)
    if (found === undefined || (wanted !== '' && found.artifactType !== wanted)) continue
    bytes += Buffer.byteLength(JSON.stringify(found)) + 1
    const end = manifests.at(-1)
    const isFull = manifests.length >= count || (end !== undefined && bytes > MANIFEST_BYTES_MAX)
    if (isFull && end !== undefined) link = nextAfter(url, end.digest)
    if (isFull) break
    manifests.push(found)
  }
  const filters = wanted === '' ? {} : { 'oci-filters-applied': 'artifactType' }
  const body = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests }
  answerJson(exchange, 200, body, { 'content-type': MEDIA_TYPE.ociIndex, ...filters, ...link })
}

/** Undefined for one that is gone. */
async function describeReferrer({ registry }: Exchange, name: RepositoryName, digest: Digest) {
  const found = await readManifest(registry.store, name, digest)
  if (found === undefined) return undefined
  const { document, mediaType, bytes } = found
  const { annotations } = document
  const artifactType = document.artifactType ?? (document.kind === 'manifest' ? document.config.mediaType : undefined)
  return {
    ...{ mediaType, digest, size: bytes.length },
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  }
}

/** The same question, from there on. */
function nextAfter(url: URL, last: string): { link: string } {
  const query = new URLSearchParams(url.searchParams)
  query.set('last', last)
  return { link: `<${url.pathname}?${query}>; rel="next"` }
}
