// Lists: the API's root, the catalogue, tags and referrers, with their paging.
import type { Descriptor } from '../../../oci/descriptor.ts'
import { MEDIA_TYPE } from '../../../oci/media-type.ts'
import { ApiError } from '../api-error.ts'
import { readManifest } from '../content/find-manifest.ts'
import { answerJson, digestFrom, type Exchange, repositoryOf } from './exchange.ts'

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

/** An index of what has this subject; empty where there is none, since clients take a 404 for a registry without this list. */
export async function getReferrers(exchange: Exchange): Promise<void> {
  const { store } = exchange.registry
  const name = repositoryOf(exchange)
  const subject = digestFrom(exchange.route.reference)
  const wanted = exchange.url.searchParams.get('artifactType')
  const manifests: Descriptor[] = []
  for (const digest of await store.listReferrers(name, subject)) {
    const found = await readManifest(store, name, digest)
    if (found === undefined) continue
    const { document, mediaType, bytes } = found
    const artifactType = document.artifactType ?? (document.kind === 'manifest' ? document.config.mediaType : undefined)
    if (wanted !== null && wanted !== '' && artifactType !== wanted) continue
    const { annotations } = document
    manifests.push({
      ...{ mediaType, digest, size: bytes.length },
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    })
  }
  const filters = wanted === null || wanted === '' ? {} : { 'oci-filters-applied': 'artifactType' }
  const body = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests }
  answerJson(exchange, 200, body, { 'content-type': MEDIA_TYPE.ociIndex, ...filters })
}
