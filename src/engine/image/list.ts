// GET /images/json
import type { ImageSummary } from '../../api/image-types.ts'
import { Failure } from '../../base/failure.ts'
import { familiarName } from '../../oci/parse-reference.ts'
import type { Engine } from '../engine.ts'
import { type Filters, hasLabel, invalidFilter, parseFilters } from '../http/filters.ts'
import { isTrue } from '../http/query.ts'
import type { ApiRequest, ApiResponse, ApiVersion } from '../http/route.ts'
import { parseUntil } from '../http/until.ts'
import { matchGlob } from './glob.ts'
import { parseRecordName } from './image-names.ts'
import type { Image } from './image-store.ts'
import { createdSeconds } from './inspect.ts'
import { summarizeManifests } from './manifest-summaries.ts'

const FILTERS = ['dangling', 'label', 'label!', 'before', 'since', 'until', 'reference']

export async function listImages(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const filters = parseFilters(request.query).check(FILTERS)
  const images = await selectImages(engine, filters)
  const withShared = request.version.atLeast('1.42') && isTrue(request.query, 'shared-size')
  const shared = withShared ? await sharedSizes(engine) : undefined
  const named = filters.has('reference') ? images.map((image) => onlyMatching(filters, image)) : images
  const withManifests = request.version.atLeast('1.47') && isTrue(request.query, 'manifests')
  const body = await Promise.all(
    named.map(async (image) => {
      const summary = await summarize(engine, request.version, image, shared)
      return withManifests ? await addManifests(engine, image, summary) : summary
    }),
  )
  return { kind: 'json', status: 200, body }
}

/** With what they share and how many containers they have, whatever the version: for `system df`. */
export async function summarizeForUsage(
  engine: Engine,
  version: ApiVersion,
  images: readonly Image[],
): Promise<ImageSummary[]> {
  const shared = await sharedSizes(engine)
  const summaries = images.map(async (image) => ({
    ...(await summarize(engine, version, image, shared)),
    Containers: containersOf(engine, image),
  }))
  return await Promise.all(summaries)
}

/** The images that pass. */
export async function selectImages(engine: Engine, filters: Filters): Promise<readonly Image[]> {
  const before = await boundary(engine, filters, 'before')
  const since = await boundary(engine, filters, 'since')
  const until = parseUntil(filters, engine.clock.now())
  const dangling = filters.has('dangling') ? filters.boolean('dangling', false) : undefined
  return (await engine.images.list()).filter((image) => {
    const created = createdMs(image)
    return (
      (before === undefined || created < before) &&
      (since === undefined || created > since) &&
      (until === undefined || created < until) &&
      (dangling === undefined || dangling === (image.repoTags.length === 0)) &&
      hasWantedLabels(filters, image) &&
      filters.some('reference', (pattern) => matchesReference(image, pattern))
    )
  })
}

export function createdMs(image: Pick<Image, 'config'>): number {
  return Date.parse(image.config.created ?? '') || 0
}

/** Who sees the platforms sees what they take: the sizes of all of them, packed and unpacked, add up. */
async function addManifests(engine: Engine, image: Image, summary: ImageSummary): Promise<ImageSummary> {
  const Manifests = await summarizeManifests(engine, image.target)
  return { ...summary, Size: Manifests.reduce((sum, { Size }) => sum + Size.Total, 0), Manifests }
}

async function summarize(
  engine: Engine,
  version: ApiVersion,
  image: Image,
  shared: ReadonlyMap<string, number> | undefined,
): Promise<ImageSummary> {
  const size = await engine.images.sizeBytes(image)
  const isNameless = image.repoTags.length === 0 && image.repoDigests.length === 0
  const useNone = isNameless && !version.atLeast('1.43')
  return {
    Containers: version.atLeast('1.51') ? containersOf(engine, image) : -1,
    Created: createdSeconds(image.config.created),
    Id: image.id,
    Labels: image.config.config.Labels ?? null,
    ParentId: '',
    ...(version.atLeast('1.48') ? { Descriptor: image.target } : {}),
    RepoDigests: useNone ? ['<none>@<none>'] : [...image.repoDigests],
    RepoTags: useNone ? ['<none>:<none>'] : [...image.repoTags],
    SharedSize: shared?.get(image.id) ?? -1,
    Size: size,
    ...(version.atLeast('1.44') ? {} : { VirtualSize: size }),
  }
}

function containersOf(engine: Engine, image: Image): number {
  return engine.containers.list().filter((container) => container.record.image.id === image.id).length
}

/** For each image the bytes of its layers that another one has too. */
async function sharedSizes(engine: Engine): Promise<ReadonlyMap<string, number>> {
  const images = await engine.images.list()
  const users = new Map<string, number>()
  for (const chainId of images.flatMap((image) => image.chainIds)) users.set(chainId, (users.get(chainId) ?? 0) + 1)
  const entries = images.map(async (image) => {
    const chainIds = image.chainIds.filter((chainId) => (users.get(chainId) ?? 0) > 1)
    const sizes = await Promise.all(chainIds.map((chainId) => engine.images.layerSizeBytes(chainId)))
    return [image.id, sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)] as const
  })
  return new Map(await Promise.all(entries))
}

async function boundary(engine: Engine, filters: Filters, key: 'before' | 'since'): Promise<number | undefined> {
  const names = filters.get(key)
  if (names.length === 0) return undefined
  const times = await Promise.all(names.map(async (name) => createdMs(await engine.images.require(name))))
  return key === 'before' ? Math.min(...times) : Math.max(...times)
}

function hasWantedLabels(filters: Filters, image: Image): boolean {
  const labels = image.config.config.Labels ?? {}
  return filters.labels('label', labels) && !filters.get('label!').some((label) => hasLabel(labels, label))
}

/** Of an image that was asked for by name only the names that were asked for are shown. */
function onlyMatching(filters: Filters, image: Image): Image {
  const isWanted = (name: string) =>
    filters.some('reference', (pattern) =>
      [name, name.replace(/(?:@.*|:[^:/]*)$/, '')].some((n) => matchGlob(pattern, n)),
    )
  return { ...image, repoTags: image.repoTags.filter(isWanted), repoDigests: image.repoDigests.filter(isWanted) }
}

/** A glob over `name`, `name:tag` or `name@digest`, in the familiar form. */
function matchesReference(image: Image, pattern: string): boolean {
  try {
    const names = image.recordNames.flatMap((name) => {
      const reference = parseRecordName(name)
      return reference ? [familiarName(reference)] : []
    })
    return [...names, ...image.repoTags, ...image.repoDigests].some((name) => matchGlob(pattern, name))
  } catch (error) {
    if (error instanceof Failure) throw invalidFilter(`reference=[${pattern}]`)
    throw error
  }
}
