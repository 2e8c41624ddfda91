// GET /system/df: how much disk images, containers and volumes take, in the form that the client's version knows.
import { Failure } from '../../base/failure.ts'
import type { ImageSummary } from '../../api/image-types.ts'
import type { VolumeSummary } from '../../api/volume-types.ts'
import { listContainers } from '../container/list.ts'
import { resolveListFilter } from '../container/list-filters.ts'
import type { Engine } from '../engine.ts'
import { Filters } from '../http/filters.ts'
import { isTrue } from '../http/query.ts'
import type { ApiRequest, ApiResponse, ApiVersion } from '../http/route.ts'
import { summarizeForUsage } from '../image/list.ts'
import { measureVolumes } from '../volume/usage.ts'

const TYPES = ['container', 'image', 'volume', 'build-cache'] as const
type UsageType = (typeof TYPES)[number]

/** What one kind of thing takes; counts and sizes as `docker system df` prints them. */
interface Usage<T> {
  items: T[]
  activeCount: number
  totalBytes: number
  reclaimableBytes: number
}

/** Undefined: not asked for. */
interface Measured {
  image: Usage<ImageSummary> | undefined
  container: Usage<Record<string, unknown>> | undefined
  volume: Usage<VolumeSummary> | undefined
  buildCache: Usage<never> | undefined
}

export async function showDiskUsage(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const { version, query } = request
  const types = wantedTypes(version, query.getAll('type'))
  const measured = await measureOnce(engine, version, types)
  if (!version.atLeast('1.52')) return { kind: 'json', status: 200, body: oldShape(measured) }
  // Whoever says `verbose` knows the new form; for others the old one stands beside it.
  const legacy = isTrue(query, 'verbose') ? {} : withoutAbsent(oldShape(measured))
  return { kind: 'json', status: 200, body: { ...legacy, ...newShape(measured) } }
}

/** Before 1.42 there was no choice. */
function wantedTypes(version: ApiVersion, texts: readonly string[]): readonly UsageType[] {
  if (!version.atLeast('1.42') || texts.length === 0) return TYPES
  return texts.map((text) => {
    const type = TYPES.find((each) => each === text)
    if (type === undefined) throw new Failure('invalid-argument', `unknown object type: ${text}`)
    return type
  })
}

const underWay = new WeakMap<Engine, Map<string, Promise<Measured>>>()

/** Measuring walks trees: whoever asks while somebody else does gets the same answer. */
function measureOnce(engine: Engine, version: ApiVersion, types: readonly UsageType[]): Promise<Measured> {
  const mine = underWay.get(engine) ?? new Map<string, Promise<Measured>>()
  underWay.set(engine, mine)
  const key = `${version.major}.${version.minor} ${[...types].sort().join()}`
  const known = mine.get(key)
  if (known !== undefined) return known
  const measuring = measure(engine, version, types).finally(() => mine.delete(key))
  mine.set(key, measuring)
  return measuring
}

async function measure(engine: Engine, version: ApiVersion, types: readonly UsageType[]): Promise<Measured> {
  const [container, image, volume] = await Promise.all([
    types.includes('container') ? containerUsage(engine, version) : undefined,
    types.includes('image') ? imageUsage(engine, version) : undefined,
    types.includes('volume') ? volumeUsage(engine) : undefined,
  ])
  // Nothing is built here, so nothing is kept for the next build.
  const buildCache = types.includes('build-cache') ? NO_BUILD_CACHE : undefined
  return { container, image, volume, buildCache }
}

const NO_BUILD_CACHE: Usage<never> = { items: [], activeCount: 0, totalBytes: 0, reclaimableBytes: 0 }

async function containerUsage(engine: Engine, version: ApiVersion): Promise<Usage<Record<string, unknown>>> {
  const filter = await resolveListFilter(engine, new Filters(new Map()))
  const listed = await listContainers(engine, { all: true, limit: undefined, withSizes: true, filter, version })
  const items = listed.map(({ ImageManifestDescriptor: _, ...item }) => item)
  const isActive = ({ State }: Record<string, unknown>) => ['running', 'paused', 'restarting'].includes(String(State))
  const bytesOf = ({ SizeRw }: Record<string, unknown>) => Number(SizeRw ?? 0)
  return {
    items,
    activeCount: items.filter(isActive).length,
    totalBytes: sum(items.map(bytesOf)),
    reclaimableBytes: sum(items.filter((item) => !isActive(item)).map(bytesOf)),
  }
}

async function imageUsage(engine: Engine, version: ApiVersion): Promise<Usage<ImageSummary>> {
  const images = await engine.images.list()
  const items = await summarizeForUsage(engine, version, images)
  const layers = [...new Set(images.flatMap(({ chainIds }) => chainIds))]
  const sizes = await Promise.all(layers.map((chainId) => engine.images.layerSizeBytes(chainId)))
  return {
    items,
    activeCount: items.filter(({ Containers }) => Containers > 0).length,
    totalBytes: sum(sizes.map((size) => size ?? 0)),
    reclaimableBytes: sum(
      items.filter(({ Containers }) => Containers === 0).map(({ Size, SharedSize }) => Size - SharedSize),
    ),
  }
}

/** One that could not be measured counts nothing. */
async function volumeUsage(engine: Engine): Promise<Usage<VolumeSummary>> {
  const items = await measureVolumes(engine)
  const bytesOf = ({ UsageData }: VolumeSummary) => Math.max(0, UsageData?.Size ?? 0)
  const unused = items.filter(({ UsageData }) => UsageData?.RefCount === 0 && UsageData.Size !== -1)
  return {
    items,
    activeCount: items.length - unused.length,
    totalBytes: sum(items.map(bytesOf)),
    reclaimableBytes: sum(unused.map(bytesOf)),
  }
}

/** What was not asked for is null. */
function oldShape(measured: Measured): Record<string, unknown> {
  return {
    LayersSize: measured.image?.totalBytes ?? 0,
    Images: measured.image?.items ?? null,
    Containers: measured.container?.items ?? null,
    Volumes: measured.volume?.items ?? null,
    BuildCache: measured.buildCache?.items ?? null,
  }
}

function withoutAbsent(shape: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== null && value !== 0))
}

function newShape(measured: Measured): Record<string, unknown> {
  const described = ({ items, activeCount, totalBytes, reclaimableBytes }: Usage<unknown>) =>
    Object.fromEntries(
      Object.entries({
        ActiveCount: activeCount,
        ...(items.length > 0 ? { Items: items } : {}),
        Reclaimable: reclaimableBytes,
        TotalCount: items.length,
        TotalSize: totalBytes,
      }).filter(([, value]) => value !== 0),
    )
  const { image, container, volume, buildCache } = measured
  return {
    ...(image && { ImageUsage: described(image) }),
    ...(container && { ContainerUsage: described(container) }),
    ...(volume && { VolumeUsage: described(volume) }),
    ...(buildCache && { BuildCacheUsage: described(buildCache) }),
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
