// The filters of GET /containers/json. What needs other nouns is resolved once; matching a container is then pure.
import { Failure } from '../../base/failure.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Engine } from '../engine.ts'
import type { Filters } from '../http/filters.ts'
import { invalidFilter } from '../http/filters.ts'
import type { Container } from './container.ts'
import { CONTAINER_STATUSES } from './container-state.ts'
import { mountPoints } from './mount-points.ts'
import { networkKind } from './network-settings.ts'
import { parsePort } from './port-bindings.ts'

const KEYS = [
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
]
const HEALTH_STATUSES = ['starting', 'healthy', 'unhealthy', 'none']

export interface ListFilter {
  filters: Filters
  /** `status` and `exited` ask for containers that are down. */
  includesDown: boolean
  /** Chain ids that `ancestor` allows: an image and what was built on it; undefined: no such filter. */
  ancestors: { ids: ReadonlySet<string>; chainIds: ReadonlySet<string> } | undefined
  beforeMs: number | undefined
  sinceMs: number | undefined
  exitCodes: ReadonlySet<number> | undefined
  network: { id: string; name: string }
  descendants: ReadonlySet<string>
}

/** Throws invalid-argument for unknown keys and values, not-found for `before` and `since` of no container. */
export async function resolveListFilter(engine: Engine, filters: Filters): Promise<ListFilter> {
  filters.check(KEYS)
  checkValues(filters, 'status', CONTAINER_STATUSES)
  checkValues(filters, 'health', HEALTH_STATUSES)
  filters.boolean('is-task', false)
  const createdAt = (key: string) => filters.get(key).map((name) => engine.containers.require(name).createdAtMs)
  const before = createdAt('before')
  const since = createdAt('since')
  const ancestors = filters.has('ancestor') ? await findAncestors(engine, filters.get('ancestor')) : undefined
  return {
    filters,
    includesDown: filters.has('status') || filters.has('exited'),
    ancestors,
    descendants: ancestors ? await findDescendants(engine, ancestors.chainIds) : new Set(),
    beforeMs: before.length > 0 ? Math.min(...before) : undefined,
    sinceMs: since.length > 0 ? Math.max(...since) : undefined,
    exitCodes: filters.has('exited') ? new Set(filters.get('exited').map(parseExitCode)) : undefined,
    network: engine.network.describe(),
  }
}

export function matchesFilter(container: Container, filter: ListFilter): boolean {
  const { filters } = filter
  const { record, state } = container
  return (
    filters.exact('status', state.status) &&
    matchesExit(container, filter) &&
    (filter.beforeMs === undefined || container.createdAtMs < filter.beforeMs) &&
    (filter.sinceMs === undefined || container.createdAtMs > filter.sinceMs) &&
    filters.pattern('id', record.id) &&
    (filters.pattern('name', record.name) || filters.pattern('name', `/${record.name}`)) &&
    filters.labels('label', record.config.Labels ?? {}) &&
    filters.exact('health', state.health?.Status ?? 'none') &&
    filters.exact('isolation', record.hostConfig.Isolation ?? '') &&
    !filters.boolean('is-task', false) &&
    matchesAncestor(container, filter) &&
    filters.some('network', (wanted) => isInNetwork(container, wanted, filter.network)) &&
    filters.some('volume', (wanted) =>
      mountPoints(container).some((mount) => mount.Name === wanted || mount.Destination === wanted),
    ) &&
    filters.some('publish', (wanted) => publishes(container, wanted)) &&
    filters.some('expose', (wanted) => exposes(container, wanted))
  )
}

function matchesExit({ state, record }: Container, { exitCodes }: ListFilter): boolean {
  if (exitCodes === undefined) return true
  return record.hasRun && state.pid === 0 && exitCodes.has(state.exitCode)
}

function matchesAncestor({ record }: Container, { ancestors, descendants }: ListFilter): boolean {
  return ancestors === undefined || ancestors.ids.has(record.image.id) || descendants.has(record.image.id)
}

async function findAncestors(engine: Engine, names: readonly string[]) {
  const images = await Promise.all(names.map((name) => engine.images.find(name)))
  const found = images.filter((image) => image !== undefined)
  return {
    ids: new Set<string>(found.map((image) => image.id)),
    chainIds: new Set<string>(found.flatMap((image) => (image.chainId === undefined ? [] : [image.chainId]))),
  }
}

/** Images whose layers begin with all those of an ancestor. */
async function findDescendants(engine: Engine, chainIds: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  if (chainIds.size === 0) return new Set()
  const images = await engine.images.list()
  return new Set(
    images.filter((image) => image.chainIds.some((id: Digest) => chainIds.has(id))).map((image) => image.id),
  )
}

function isInNetwork(container: Container, wanted: string, network: { id: string; name: string }): boolean {
  const kind = networkKind(container)
  if (kind !== 'bridge') return wanted === kind
  return wanted === network.name || wanted === network.id || (wanted.length >= 3 && network.id.startsWith(wanted))
}

function publishes(container: Container, wanted: string): boolean {
  const keys = Object.entries(container.record.hostConfig.PortBindings ?? {})
    .filter(([, bindings]) => (bindings ?? []).length > 0)
    .map(([key]) => key)
  return keys.some((key) => isInRange(key, wanted))
}

function exposes(container: Container, wanted: string): boolean {
  return Object.keys(container.record.config.ExposedPorts ?? {}).some((key) => isInRange(key, wanted))
}

/** `wanted` is `80`, `80/udp`, `8000-8010/tcp`. */
function isInRange(key: string, wanted: string): boolean {
  const { port, protocol } = parsePort(key)
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(wanted)
  if (!match) throw invalidFilter(wanted)
  const [start, end] = [Number(match[1]), Number(match[2] ?? match[1])]
  return port >= start && port <= end && protocol === (match[3] ?? 'tcp')
}

function parseExitCode(text: string): number {
  if (!/^-?\d{1,9}$/.test(text))
    throw new Failure('invalid-argument', `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text)
}

function checkValues(filters: Filters, key: string, known: readonly string[]): void {
  for (const value of filters.get(key)) if (!known.includes(value)) throw invalidFilter(`${key}=${value}`)
}
