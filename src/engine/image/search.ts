// GET /images/search: what Docker Hub, or another index, has for a term.
import type { SearchResult } from '../../api/image-types.ts'
import { Failure, isFailure } from '../../base/failure.ts'
import { CERTS_DIRECTORY } from '../../registry/upstream/tls-files.ts'
import type { Engine } from '../engine.ts'
import { parseFilters } from '../http/filters.ts'
import { parseInteger } from '../http/query.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { decodeAuthHeader } from './registry-auth.ts'

const FILTERS = ['is-automated', 'is-official', 'stars']
const LIMIT_DEFAULT = 25

export async function searchImages(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const { query, signal } = request
  const limit = readLimit(query)
  const filters = parseFilters(query).check(FILTERS)
  // No index can tell any more which ones are.
  if (filters.boolean('is-automated', false)) return { kind: 'json', status: 200, body: [] }
  const wantsOfficial = filters.boolean('is-official', false)
  const starsMin = Math.max(0, ...filters.get('stars').map(readStars))
  const { searchIndex } = await import('../../registry/client/search-index.ts')
  const auth = decodeAuthHeader(request.raw.headers)
  const { insecureRegistries } = engine.config
  const term = query.get('term') ?? ''
  const found = await searchIndex({
    ...{ term, limit, auth, insecureRegistries, signal },
    certsDirectory: CERTS_DIRECTORY,
  }).catch((error: unknown) => {
    throw notOurs(error)
  })
  const body = found.flatMap(({ name, description, stars, isOfficial }): SearchResult[] => {
    if (filters.has('is-official') && isOfficial !== wantsOfficial) return []
    if (stars < starsMin) return []
    return [{ star_count: stars, is_official: isOfficial, name, is_automated: false, description }]
  })
  return { kind: 'json', status: 200, body }
}

function readLimit(query: URLSearchParams): number {
  try {
    return parseInteger(query, 'limit') || LIMIT_DEFAULT
  } catch (error) {
    if (!isFailure(error)) throw error
    throw new Failure('invalid-argument', `invalid limit specified: ${error.message}`, { cause: error })
  }
}

function readStars(text: string): number {
  if (/^[+-]?\d+$/.test(text)) return Number(text)
  throw new Failure(
    'invalid-argument',
    `invalid filter 'stars=${text}': strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`,
  )
}

/** That an index is down or forbids says nothing about this service; with a 401 of ours the client would ask its user for a password. */
function notOurs(error: unknown): unknown {
  return isFailure(error) && error.code !== 'invalid-argument'
    ? new Failure('internal', error.message, { cause: error })
    : error
}
