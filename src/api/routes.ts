// The Engine REST API as data: every route that is served. Router, client and tests read this one table.
// A parameter matches greedily, slashes included, as in Docker: names of images hold them (`/images/127.0.0.1:5000/a/b/json`).

import { ABSENT_ROUTES } from './absent-routes.ts'
import { type Route, route } from './route-entry.ts'

/** The first route that matches wins: of two that can match one path the longer stands first. */
export const ROUTES = [
  route('GET', '/_ping'),
  route('HEAD', '/_ping'),
  route('GET', '/version'),
  route('GET', '/info'),
  route('GET', '/events'),
  route('GET', '/system/df', '1.25'),
  route('POST', '/auth'),
  route('OPTIONS', '/{any}'),
  route('GET', '/distribution/{name}/json', '1.30'),

  route('GET', '/debug/vars'),
  route('GET', '/debug/pprof/'),
  route('GET', '/debug/pprof/cmdline'),
  route('GET', '/debug/pprof/profile'),
  route('GET', '/debug/pprof/symbol'),
  route('POST', '/debug/pprof/symbol'),
  route('GET', '/debug/pprof/trace'),
  route('GET', '/debug/pprof/{name}'),

  route('GET', '/images/json'),
  route('GET', '/images/search'),
  route('GET', '/images/get', '1.15'),
  route('GET', '/images/{name}/get'),
  route('GET', '/images/{name}/history'),
  route('GET', '/images/{name}/json'),
  route('POST', '/images/create'),
  route('POST', '/images/load'),
  route('POST', '/images/prune', '1.25'),
  route('POST', '/images/{name}/push'),
  route('POST', '/images/{name}/tag'),
  route('DELETE', '/images/{name}'),

  route('GET', '/containers/json'),
  route('GET', '/containers/{id}/json'),
  route('GET', '/containers/{id}/checkpoints', '1.25'),
  route('GET', '/containers/{id}/attach/ws'),
  route('GET', '/containers/{id}/execs'),
  route('GET', '/containers/{id}/top'),
  route('GET', '/containers/{id}/logs'),
  route('GET', '/containers/{id}/stats'),
  route('GET', '/containers/{id}/changes'),
  route('GET', '/containers/{id}/export'),
  route('HEAD', '/containers/{id}/archive'),
  route('GET', '/containers/{id}/archive'),
  route('PUT', '/containers/{id}/archive'),
  route('POST', '/containers/create'),
  route('POST', '/containers/prune', '1.25'),
  route('POST', '/containers/{id}/start'),
  route('POST', '/containers/{id}/attach'),
  route('POST', '/containers/{id}/wait'),
  route('POST', '/containers/{id}/resize'),
  route('POST', '/containers/{id}/stop'),
  route('POST', '/containers/{id}/restart'),
  route('POST', '/containers/{id}/kill'),
  route('POST', '/containers/{id}/rename'),
  route('POST', '/containers/{id}/pause'),
  route('POST', '/containers/{id}/unpause'),
  route('POST', '/containers/{id}/update'),
  route('POST', '/containers/{id}/exec'),
  route('POST', '/containers/{id}/checkpoints', '1.25'),
  route('DELETE', '/containers/{id}/checkpoints/{checkpoint}', '1.25'),
  route('DELETE', '/containers/{id}'),

  route('POST', '/commit'),

  route('POST', '/exec/{id}/start'),
  route('POST', '/exec/{id}/resize'),
  route('POST', '/exec/{id}/attach'),
  route('POST', '/exec/{id}/kill'),
  route('GET', '/exec/{id}/json'),

  route('GET', '/volumes'),
  route('GET', '/volumes/{name}'),
  route('POST', '/volumes/create'),
  route('POST', '/volumes/prune', '1.25'),
  route('PUT', '/volumes/{name}', '1.42'),
  route('DELETE', '/volumes/{name}'),

  route('GET', '/networks'),
  route('GET', '/networks/{id}'),

  // Our own: `berth push-to`, docs/decisions/push-to.md.
  route('GET', '/content'),
  route('GET', '/content/{digest}'),
  route('POST', '/transfers'),
  route('GET', '/transfers/{id}/blobs/{digest}'),
  route('PUT', '/transfers/{id}/blobs/{digest}'),
  route('POST', '/transfers/{id}/finish'),
  route('DELETE', '/transfers/{id}'),

  // The engine as a registry. Its `/v2` is no version of this API: the router looks at these by themselves.
  route('GET', '/v2/{path}'),
  route('HEAD', '/v2/{path}'),
  route('POST', '/v2/{path}'),
  route('PUT', '/v2/{path}'),
  route('PATCH', '/v2/{path}'),
  route('DELETE', '/v2/{path}'),

  ...ABSENT_ROUTES,
] as const satisfies readonly Route[]

/** `METHOD /path/{name}`: the key under which a handler is given to the server. */
export type RouteKey = (typeof ROUTES)[number] extends infer R
  ? R extends { method: infer M extends string; path: infer P extends string }
    ? `${M} ${P}`
    : never
  : never
