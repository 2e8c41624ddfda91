// Which endpoint a path means (distribution-spec, "Endpoints"). Names may hold words such as `blobs`, so that paths are read from the right.

export type RouteKind = 'base' | 'catalog' | 'manifest' | 'blob' | 'uploads' | 'upload' | 'tags' | 'referrers'

export interface Route {
  kind: RouteKind
  /** Not yet parsed; empty where the endpoint is no repository's. */
  name: string
  /** Tag, digest or upload id; not yet parsed. */
  reference: string
}

const PATTERNS: readonly (readonly [RouteKind, RegExp])[] = [
  ['base', /^$/],
  ['catalog', /^_catalog$/],
  ['uploads', /^(.+)\/blobs\/uploads\/?$/],
  ['upload', /^(.+)\/blobs\/uploads\/([^/]+)$/],
  ['tags', /^(.+)\/tags\/list$/],
  ['manifest', /^(.+)\/manifests\/([^/]+)$/],
  ['blob', /^(.+)\/blobs\/([^/]+)$/],
  ['referrers', /^(.+)\/referrers\/([^/]+)$/],
]

/** `path` is what follows `/v2/`. Undefined: there is no such endpoint. */
export function parseRoute(path: string): Route | undefined {
  for (const [kind, pattern] of PATTERNS) {
    const found = pattern.exec(path)
    if (found !== null) return { kind, name: found[1] ?? '', reference: found[2] ?? '' }
  }
  return undefined
}
