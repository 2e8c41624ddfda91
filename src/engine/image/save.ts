// GET /images/get and GET /images/{name}/get: images as one archive, an OCI layout with Docker's manifest.json in it.
import { Failure, isFailure } from '../../base/failure.ts'
import { readContent } from '../../containerd/client/read-content.ts'
import { exportArchive, type ExportImage } from '../../image/archive/export-archive.ts'
import type { Digest } from '../../oci/digest.ts'
import { isIndexType } from '../../oci/media-type.ts'
import { formatReference, parseReference } from '../../oci/parse-reference.ts'
import type { Platform } from '../../oci/platform.ts'
import { SOURCE_LABEL } from '../../registry/client/source-label.ts'
import type { Engine } from '../engine.ts'
import { writeTo } from '../logs/write-to.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { readPlatformList } from './decode-platform.ts'
import { findImage } from './find-image.ts'
import { parseRecordName, recordNameOf } from './image-names.ts'
import type { Image } from './image-store.ts'
import { findPlatforms, holdTree, readImageTree, requirePlatform, wholeManifests } from './image-tree.ts'
import { labelsOf } from './label-content.ts'
import { type Lease, takeLease } from './lease.ts'
import { publishImageEvent } from './publish-image-event.ts'
import { readBlob } from './read-image.ts'

export async function saveImages(engine: Engine, request: ApiRequest, names: readonly string[]): Promise<ApiResponse> {
  const platforms = readPlatformList(request, '1.48')
  const found = findNamed(await engine.images.list(), names)
  const lease = await takeLease(engine.containerd, engine.id, engine.clock.now())
  try {
    const pieces = (await openArchive(lease, found, platforms, request.signal))[Symbol.asyncIterator]()
    const first = await pieces.next() // what is wrong with an image is told before it, with a status of its own
    for (const image of new Set(found.map((one) => one.image)))
      publishImageEvent(engine, 'save', image.id, image.id, image)
    const write: Extract<ApiResponse, { kind: 'stream' }>['write'] = async (response) => {
      await using _held = lease
      try {
        for (let piece = first; !piece.done; piece = await pieces.next()) {
          request.signal.throwIfAborted()
          await writeTo(response, piece.value)
        }
      } finally {
        await pieces.return?.()
      }
    }
    return { kind: 'stream', status: 200, contentType: 'application/x-tar', write }
  } catch (error) {
    await lease[Symbol.asyncDispose]()
    throw error
  }
}

interface Saved {
  image: Image
  /** Undefined for one that was asked for by its id. */
  name: string | undefined
}

/** In the order asked for, each once. A name without a tag means all tags of the repository. Throws in Docker's words. */
export function findNamed(images: readonly Image[], names: readonly string[]): Saved[] {
  const found = new Map<string, Saved>()
  for (const name of names)
    for (const saved of findOne(images, name)) found.set(`${saved.image.id} ${saved.name}`, saved)
  return [...found.values()]
}

function findOne(images: readonly Image[], name: string): Saved[] {
  const isDigest = /^(?:sha256:)?[0-9a-f]{64}$/.test(name)
  const reference = isDigest ? undefined : parseReference(name)
  if (reference?.tag === undefined && reference?.digest === undefined) {
    const tagged = reference === undefined ? [] : tagsOf(images, reference)
    if (tagged.length > 0) return tagged
    const image = findImage(images, name)
    if (image === undefined) throw new Failure('not-found', `No such image: ${name}`)
    return [{ image, name: undefined }]
  }
  const image = findImage(images, name)
  if (image === undefined)
    throw new Failure(
      'not-found',
      reference.path === 'library/sha256' ? `No such image: ${name}` : 'reference does not exist',
    )
  const isById = reference.digest !== undefined || !image.recordNames.includes(recordNameOf(reference))
  return [{ image, name: isById ? undefined : formatReference(reference) }]
}

function tagsOf(images: readonly Image[], { domain, path }: { domain: string; path: string }): Saved[] {
  const tagged = images.flatMap((image) =>
    image.recordNames.flatMap((name) => {
      const known = parseRecordName(name)
      const isTag = known?.tag !== undefined && known.digest === undefined
      return isTag && known.domain === domain && known.path === path ? [{ image, name }] : []
    }),
  )
  return tagged.sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function openArchive(
  lease: Lease,
  found: readonly Saved[],
  platforms: readonly Platform[],
  signal: AbortSignal,
): Promise<AsyncIterable<Buffer>> {
  const { client } = lease
  const images: ExportImage[] = []
  const sources = new Map<Digest, Record<string, string>>()
  for (const one of found) {
    const image = await describe(lease, one, platforms)
    images.push(image)
    const { digest } = image.target
    sources.set(digest, onlySources(await labelsOf(client, digest)))
  }
  return exportArchive(
    { images, platforms: [], allPlatforms: true, skipCompatibilityManifest: false, skipNonDistributable: true },
    {
      read: (descriptor, sizeMax) => readBlob(client, descriptor, sizeMax),
      stream: ({ digest }) => readContent(client, digest, { signal }),
      sourceAnnotations: ({ digest }) => sources.get(digest) ?? {},
    },
  )
}

/** Of an index, what is here of it, or of that what was asked for; for one platform its manifest alone. */
async function describe(lease: Lease, saved: Saved, platforms: readonly Platform[]): Promise<ExportImage> {
  const { name } = saved
  const image = (name === undefined ? undefined : saved.image.contents.get(name)) ?? saved.image
  const tree = await readImageTree(lease.client, image.target)
  await holdTree(lease, tree)
  const named = name === undefined ? {} : { name }
  const shown = name ?? saved.image.repoTags[0] ?? image.id
  const asked = platforms.length === 0 ? undefined : await findPlatforms(lease.client, tree, platforms)
  const [first] = platforms
  if (first !== undefined && (platforms.length === 1 || asked?.length === 0))
    return { ...named, target: await suitable(lease, tree, first, shown) }
  if (!isIndexType(image.target.mediaType)) return { ...named, target: image.target }
  const entries = asked ?? tree.children.filter(({ isWhole }) => isWhole).map(({ descriptor }) => descriptor)
  const whole = asked ?? wholeManifests(tree).map(({ descriptor }) => descriptor)
  const main = whole.find(({ digest }) => digest === image.manifest.digest) ?? whole[0]
  if (main === undefined) throw new Failure('not-found', `content of ${image.target.digest}: not found`)
  return { ...named, target: image.target, chosen: { entries, main } }
}

async function suitable(
  lease: Lease,
  tree: Awaited<ReturnType<typeof readImageTree>>,
  platform: Platform,
  name: string,
) {
  try {
    return await requirePlatform(lease.client, tree, platform, name)
  } catch (error) {
    if (!isFailure(error, 'not-found')) throw error
    throw new Failure('not-found', `no suitable export target found: ${error.message}`, { cause: error })
  }
}

function onlySources(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => name.startsWith(SOURCE_LABEL)))
}
