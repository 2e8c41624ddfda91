// From method and path to the route that serves it.
import type { HttpMethod } from '../../api/route-entry.ts'
import { ROUTES, type RouteKey } from '../../api/routes.ts'

export interface RouteMatch {
  readonly key: RouteKey
  readonly params: Readonly<Record<string, string>>
  /** What stood after `/v`; undefined for a bare path. */
  readonly version: string | undefined
}

interface CompiledRoute {
  readonly key: RouteKey
  /** What every path of it begins and ends with: most routes are ruled out by that, without their pattern. */
  readonly head: string
  readonly tail: string
  readonly pattern: RegExp
  readonly names: readonly string[]
}

const EXACT = new Map<string, RouteKey>()
const PATTERNS = new Map<HttpMethod, CompiledRoute[]>()
for (const { method, path } of ROUTES) {
  const key = `${method} ${path}` as RouteKey
  if (!path.includes('{')) EXACT.set(key, key)
  else PATTERNS.set(method, [...(PATTERNS.get(method) ?? []), { key, ...compilePath(path) }])
}

/** `path` is decoded. Undefined where nothing is served: also for a known path with another method, as in Docker. */
export function matchRoute(method: string, path: string): RouteMatch | undefined {
  const versioned = /^\/v([0-9.]+)(\/.*)$/s.exec(path)
  const version = versioned?.[1]
  const bare = versioned?.[2] ?? path
  const exact = EXACT.get(`${method} ${bare}`)
  if (exact) return { key: exact, params: {}, version }
  for (const { key, head, tail, pattern, names } of PATTERNS.get(method as HttpMethod) ?? []) {
    const values = bare.startsWith(head) && bare.endsWith(tail) ? pattern.exec(bare) : null
    if (values) return { key, params: Object.fromEntries(names.map((name, i) => [name, values[i + 1] ?? ''])), version }
  }
  return undefined
}

/** A request to the engine's registry: the same path could be of version 2 of the API, which never was. */
export function matchRegistry(method: string, path: string): RouteMatch | undefined {
  if (!path.startsWith('/v2/') || !REGISTRY_METHODS.has(method)) return undefined
  return { key: `${method} /v2/{path}` as RouteKey, params: { path: path.slice('/v2/'.length) }, version: undefined }
}

const REGISTRY_METHODS = new Set(
  ROUTES.flatMap(({ method, path }) => (path === '/v2/{path}' ? [method as string] : [])),
)

/** The path without empty, `.` and `..` segments; clients that send such a one are sent there. */
export function cleanPath(path: string): string {
  if (!/\/\/|\/\.\.?(?:\/|$)/.test(path)) return path
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  const clean = `/${kept.join('/')}`
  return path.endsWith('/') && clean !== '/' ? `${clean}/` : clean
}

function compilePath(path: string): Omit<CompiledRoute, 'key'> {
  const names: string[] = []
  const source = path.replace(/\{(\w+)\}|[.+]/g, (text, name?: string) => {
    if (name === undefined) return `\\${text}`
    names.push(name)
    return '(.*)'
  })
  const [head, tail] = [path.slice(0, path.indexOf('{')), path.slice(path.lastIndexOf('}') + 1)]
  return { head, tail, pattern: new RegExp(`^${source}$`, 's'), names }
}
