// Prunes of what this engine has none of to lose: networks of users, and a build cache. `system prune` asks for them with the others.
import type { Engine } from '../engine.ts'
import { parseFilters } from '../http/filters.ts'
import type { Handlers } from '../http/route.ts'

const NETWORK_FILTERS = ['label', 'label!', 'until']
const BUILD_FILTERS = ['id', 'parent', 'type', 'description', 'inuse', 'shared', 'private', 'until', 'unused-for']

export function emptyPruneHandlers(engine: Engine): Handlers {
  const publish = (noun: 'network' | 'builder') =>
    engine.events.publish(noun, 'prune', { ID: '', Attributes: { reclaimed: '0' } })
  return {
    'POST /networks/prune': async ({ query }) => {
      parseFilters(query).check(NETWORK_FILTERS)
      publish('network')
      return { kind: 'json', status: 200, body: { NetworksDeleted: null } }
    },
    'POST /build/prune': async ({ query }) => {
      parseFilters(query).check(BUILD_FILTERS)
      publish('builder')
      return { kind: 'json', status: 200, body: { CachesDeleted: null, SpaceReclaimed: 0 } }
    },
  }
}
