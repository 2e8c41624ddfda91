// GET /containers/json: the containers that pass the filters, each in brief.
import type { ApiVersion } from '../http/route.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import type { ListFilter } from './list-filters.ts'
import { matchesFilter } from './list-filters.ts'
import { mountPoints } from './mount-points.ts'
import { networksOf } from './network-settings.ts'
import { portSummaries } from './port-bindings.ts'
import { measureSizes } from './sizes.ts'
import { statusText } from './status-text.ts'
import { isAlive } from './container-state.ts'

export interface ListOptions {
  all: boolean
  /** The newest so many, running or not; undefined: no bound. */
  limit: number | undefined
  withSizes: boolean
  filter: ListFilter
  version: ApiVersion
}

export async function listContainers(engine: Engine, options: ListOptions): Promise<Record<string, unknown>[]> {
  const { filter, limit } = options
  const includesDown = options.all || limit !== undefined || filter.includesDown
  const chosen = engine.containers
    .list()
    .filter((container) => includesDown || isAlive(container.state) || container.state.status === 'restarting')
    .filter((container) => matchesFilter(container, filter))
    .slice(0, limit)
  const currentIds = await resolveReferences(engine, chosen)
  const summaries = chosen.map((container) => summarize(engine, container, currentIds, options.version))
  if (!options.withSizes) return summaries
  return Promise.all(chosen.map(async (container, i) => ({ ...summaries[i], ...(await sizesOf(engine, container)) })))
}

/** A name that has moved on to another image is no name of this container's image any more. */
async function resolveReferences(engine: Engine, containers: readonly Container[]): Promise<Map<string, string>> {
  const references = new Set(containers.map((container) => container.record.config.Image ?? ''))
  const found = await Promise.all(
    [...references].map(async (reference) => [reference, (await engine.images.find(reference))?.id ?? ''] as const),
  )
  return new Map(found)
}

function summarize(
  engine: Engine,
  container: Container,
  currentIds: Map<string, string>,
  version: ApiVersion,
): Record<string, unknown> {
  const { record, state } = container
  const { Annotations } = record.hostConfig
  const annotations = Annotations && version.atLeast('1.46') ? { Annotations } : {}
  const reference = record.config.Image ?? ''
  return {
    Id: record.id,
    Names: engine.containers.namesOf(container).map((name) => `/${name}`),
    Image: currentIds.get(reference) === record.image.id ? reference : record.image.id,
    ImageID: record.image.id,
    ...(record.image.manifest === undefined || !version.atLeast('1.48')
      ? {}
      : { ImageManifestDescriptor: record.image.manifest }),
    Command: commandText(record.path, record.args),
    Created: Math.floor(container.createdAtMs / 1000),
    Ports: isAlive(state) ? portSummaries(record.config, record.endpoint) : [],
    Labels: record.config.Labels ?? {},
    State: state.status,
    Status: statusText(state, engine.clock.now()),
    HostConfig: { NetworkMode: record.hostConfig.NetworkMode ?? 'default', ...annotations },
    ...(version.atLeast('1.52')
      ? { Health: { Status: state.health?.Status ?? 'none', FailingStreak: state.health?.FailingStreak ?? 0 } }
      : {}),
    NetworkSettings: { Networks: networksOf(engine, container) },
    Mounts: mountPoints(container),
  }
}

function commandText(path: string, args: readonly string[]): string {
  return [path, ...args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg))].join(' ')
}

async function sizesOf(engine: Engine, container: Container): Promise<Record<string, number>> {
  const { writableBytes, totalBytes } = await measureSizes(engine, container)
  return { SizeRw: writableBytes, SizeRootFs: totalBytes }
}
