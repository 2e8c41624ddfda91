// The filters of GET /containers/json. What needs other nouns is resolved once; matching a container is then pure.
import { Failure } from '../../base/failure.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Engine } from '../engine.ts'
import type { Filters } from '../http/filters.ts'
import type { Container } from './container.ts'
import { CONTAINER_STATUSES, isAlive } from './container-state.ts'
import { mountPoints } from './mount-points.ts'
import { networkKind } from './network-settings.ts'
import { portSummaries } from './port-bindings.ts'
import { isInPorts, type PortRange, parsePortRange } from './port-range.ts'

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
const HEALTH_STATUSES = ['none', 'starting', 'healthy', 'unhealthy']

export interface ListFilter {
  filters: Filters
  /** `status` asks for containers that are down. */
  includesDown: boolean
  /** Chain ids that `ancestor` allows: an image and what was built on it; undefined: no such filter. */
  ancestors: { ids: ReadonlySet<string>; chainIds: ReadonlySet<string> } | undefined
  beforeMs: number | undefined
  sinceMs: number | undefined
  exitCodes: ReadonlySet<number> | undefined
  network: { id: string; name: string } | undefined
  /** Of the host, and of the container; undefined: neither `publish` nor `expose` is asked for. A port of either will do. */
  ports: { published: readonly PortRange[]; exposed: readonly PortRange[] } | undefined
  descendants: ReadonlySet<string>
}

/** Throws invalid-argument for unknown keys and values, not-found for `before` and `since` of no container. */
export async function resolveListFilter(engine: Engine, filters: Filters): Promise<ListFilter> {
  filters.check(KEYS)
  checkValues(filters, 'status', 'state', CONTAINER_STATUSES)
  checkValues(filters, 'health', 'health', HEALTH_STATUSES)
  filters.boolean('is-task', false)
  const createdAt = (key: string) => filters.get(key).map((name) => engine.containers.require(name).createdAtMs)
  const before = createdAt('before')
  const since = createdAt('since')
  const ancestors = filters.has('ancestor') ? await findAncestors(engine, filters.get('ancestor')) : undefined
  return {
    filters,
    includesDown: filters.has('status'),
    ancestors,
    descendants: ancestors ? await findDescendants(engine, ancestors.chainIds) : new Set(),
    beforeMs: before.length > 0 ? Math.min(...before) : undefined,
    sinceMs: since.length > 0 ? Math.max(...since) : undefined,
    exitCodes: filters.has('exited') ? new Set(filters.get('exited').map(parseExitCode)) : undefined,
    network: engine.network.describe(),
    ports: portFilter(filters),
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
    !filters.boolean('is-task', false) &&
    matchesAncestor(container, filter) &&
    filters.some('network', (wanted) => isInNetwork(container, wanted, filter.network)) &&
    filters.some('volume', (wanted) =>
      mountPoints(container).some((mount) => mount.Name === wanted || mount.Destination === wanted),
    ) &&
    matchesPorts(container, filter)
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

function isInNetwork(container: Container, wanted: string, network: { id: string; name: string } | undefined): boolean {
  const kind = networkKind(container)
  if (kind !== 'bridge' || network === undefined) return wanted === kind
  return wanted === network.name || wanted === network.id || (wanted.length >= 3 && network.id.startsWith(wanted))
}

function portFilter(filters: Filters): ListFilter['ports'] {
  const ranges = (key: string) => filters.get(key).map((text) => parsePortRange(key, text))
  const [published, exposed] = [ranges('publish'), ranges('expose')]
  return published.length + exposed.length === 0 ? undefined : { published, exposed }
}

/** Only what runs has ports. */
function matchesPorts({ record, state }: Container, { ports }: ListFilter): boolean {
  if (ports === undefined) return true
  if (!isAlive(state)) return false
  return portSummaries(record.config, record.endpoint).some(
    ({ PrivatePort, PublicPort = 0, Type }) =>
      isInPorts(PublicPort, Type, ports.published) || isInPorts(PrivatePort, Type, ports.exposed),
  )
}

function parseExitCode(text: string): number {
  if (!/^-?\d{1,9}$/.test(text))
    throw new Failure(
      'invalid-argument',
      `invalid filter 'exited=${text}': strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`,
    )
  return Number(text)
}

function checkValues(filters: Filters, key: string, noun: string, known: readonly string[]): void {
  for (const value of filters.get(key))
    if (!known.includes(value))
      throw new Failure(
        'invalid-argument',
        `invalid filter '${key}=${value}': invalid value for ${noun} (${value}): must be one of ${known.join(', ')}`,
      )
}
