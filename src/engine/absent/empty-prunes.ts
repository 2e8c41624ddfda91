// Prunes of what this engine has none of to lose: networks of users, and a build cache. `system prune` asks for them with the others.
import { Failure, withSubject } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import { type Filters, parseFilters } from '../http/filters.ts'
import type { Handlers } from '../http/route.ts'
import { parseTimestamp, parseUntil } from '../http/until.ts'

const NETWORK_FILTERS = ['label', 'label!', 'until']
/** Of a cache's entry. */
const CACHE_FILTERS = ['id', 'parent', 'type', 'description', 'inuse', 'shared', 'private']
/** Labels are of no consequence to a build cache, but `system prune` sends them to everyone. */
const BUILD_FILTERS = [...CACHE_FILTERS, 'until', 'unused-for', 'label', 'label!']

export function emptyPruneHandlers(engine: Engine): Handlers {
  const publish = (noun: 'network' | 'builder') =>
    engine.events.publish(noun, 'prune', { ID: '', Attributes: { reclaimed: '0' } })
  return {
    'POST /networks/prune': async ({ query }) => {
      parseUntil(parseFilters(query).check(NETWORK_FILTERS), engine.clock.now())
      publish('network')
      return { kind: 'json', status: 200, body: { NetworksDeleted: null } }
    },
    'POST /build/prune': async ({ query }) => {
      checkBuildFilters(parseFilters(query), engine.clock.now())
      publish('builder')
      return { kind: 'json', status: 200, body: { CachesDeleted: null, SpaceReclaimed: 0 } }
    },
  }
}

/** Throws invalid-argument in Docker's words. */
function checkBuildFilters(filters: Filters, nowMs: number): void {
  try {
    filters.check(BUILD_FILTERS)
    const [until, unusedFor] = [filters.get('until'), filters.get('unused-for')]
    if (until.length > 0 && unusedFor.length > 0) refuse('conflicting filters: "until" and "unused-for"')
    const times = [...until, ...unusedFor]
    if (times.length > 1) refuse('filters expect only one value')
    for (const text of times) checkTime(unusedFor.length > 0 ? 'unused-for' : 'until', text, nowMs)
    if (CACHE_FILTERS.some((name) => filters.get(name).length > 1)) refuse('filters expect only one value')
  } catch (error) {
    throw withSubject('failed to prune build cache', error)
  }
}

function checkTime(key: string, text: string, nowMs: number): void {
  try {
    parseTimestamp(text, nowMs)
  } catch (error) {
    throw withSubject(`"${key}" filter expects a duration (e.g., '24h') or a timestamp`, error)
  }
}

function refuse(reason: string): never {
  throw new Failure('invalid-argument', reason)
}
