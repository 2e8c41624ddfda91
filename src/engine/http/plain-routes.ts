// Routes that read their request whole and answer it whole: they need nothing of node:http.
import type { RouteKey } from '../../api/routes.ts'
import { API_VERSION_MIN } from '../../api/versions.ts'
import { isFailure } from '../../base/failure.ts'
import { negotiateVersion } from './api-version.ts'
import type { ApiVersion } from './route.ts'
import { cleanPath, matchRoute } from './router.ts'

const PLAIN: ReadonlySet<RouteKey> = new Set<RouteKey>([
  ...(['GET /_ping', 'HEAD /_ping', 'GET /version', 'GET /info', 'GET /system/df'] as const),
  ...([
    'GET /images/json',
    'GET /images/{name}/json',
    'GET /images/{name}/history',
    'POST /images/{name}/tag',
  ] as const),
  ...([
    'DELETE /images/{name}',
    'GET /containers/json',
    'GET /containers/{id}/json',
    'GET /containers/{id}/top',
  ] as const),
  ...(['GET /containers/{id}/execs', 'POST /containers/create', 'POST /containers/{id}/start'] as const),
  ...(['POST /containers/{id}/resize', 'POST /containers/{id}/stop', 'POST /containers/{id}/restart'] as const),
  ...(['POST /containers/{id}/kill', 'POST /containers/{id}/rename', 'POST /containers/{id}/pause'] as const),
  ...(['POST /containers/{id}/unpause', 'POST /containers/{id}/update', 'POST /containers/{id}/exec'] as const),
  ...(['DELETE /containers/{id}', 'POST /exec/{id}/resize', 'GET /exec/{id}/json'] as const),
  ...(['GET /volumes', 'GET /volumes/{name}', 'POST /volumes/create', 'DELETE /volumes/{name}'] as const),
  ...(['GET /networks', 'GET /networks/{id}'] as const),
])

export interface PlainRoute {
  readonly key: RouteKey
  readonly params: Readonly<Record<string, string>>
  readonly version: ApiVersion
  readonly queryText: string
}

const KNOWN_MAX = 256
const TARGET_LENGTH_MAX = 256

/** From targets to routes, for one server. Clients ask the same things over and over. */
export class PlainRoutes {
  readonly #oldest: string
  readonly #known = new Map<string, PlainRoute>()

  constructor(oldest: string = API_VERSION_MIN) {
    this.#oldest = oldest
  }

  /** Undefined for other routes, and where there is something to refuse or to redirect. */
  find(method: string, target: string): PlainRoute | undefined {
    const name = `${method} ${target}`
    const found = this.#known.get(name)
    if (found !== undefined) return found
    const route = this.#match(method, target)
    if (route === undefined || name.length > TARGET_LENGTH_MAX) return route
    if (this.#known.size === KNOWN_MAX) this.#known.clear()
    this.#known.set(name, route)
    return route
  }

  #match(method: string, target: string): PlainRoute | undefined {
    const mark = target.indexOf('?')
    const path = mark < 0 ? target : target.slice(0, mark)
    // `/v2/` is the registry's.
    if (path.includes('%') || path.startsWith('/v2/') || cleanPath(path) !== path) return undefined
    const match = matchRoute(method, path)
    if (match === undefined || !PLAIN.has(match.key)) return undefined
    const version = supportedVersion(match.version, this.#oldest)
    const queryText = mark < 0 ? '' : target.slice(mark + 1)
    return version && { key: match.key, params: match.params, version, queryText }
  }
}

function supportedVersion(text: string | undefined, oldest: string): ApiVersion | undefined {
  try {
    return negotiateVersion(text, oldest)
  } catch (error) {
    if (isFailure(error)) return undefined
    throw error
  }
}
