// What a request would do to what, and who may decide about it.
import type { Exchange } from '../http/exchange.ts'

export type Action = 'pull' | 'push' | 'delete' | '*'

export interface Access {
  type: 'repository' | 'registry'
  name: string
  action: Action
}

/** Lets a request pass, and says who asks, or throws ApiError: UNAUTHORIZED with a challenge, or DENIED. */
export type Authorize = (exchange: Exchange, method: string) => Promise<void>

/** As the original asks for it (registry/handlers/app.go): a push reads, too. */
export function accessOf({ route, url }: Pick<Exchange, 'route' | 'url'>, method: string): Access[] {
  if (route.kind === 'base') return []
  if (route.kind === 'catalog') return [{ type: 'registry', name: 'catalog', action: '*' }]
  const actions = ACTIONS[method] ?? []
  const from = method === 'POST' && route.kind === 'uploads' ? url.searchParams.get('from') : null
  return [
    ...actions.map((action) => ({ type: 'repository', name: route.name, action }) as const),
    ...(from === null ? [] : [{ type: 'repository', name: from, action: 'pull' } as const]),
  ]
}

const ACTIONS: Readonly<Record<string, readonly Action[]>> = {
  GET: ['pull'],
  HEAD: ['pull'],
  POST: ['pull', 'push'],
  PUT: ['pull', 'push'],
  PATCH: ['pull', 'push'],
  DELETE: ['delete'],
}
