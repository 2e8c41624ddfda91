// POST /images/load: the images of an archive, Docker's or an OCI layout, compressed by whatever Docker takes.
import { inBatches } from '../../base/batches.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import { shortId } from '../../base/ids.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { IMAGE_NAME, REF_NAME } from '../../image/archive/image-names.ts'
import { importArchive } from '../../image/archive/import-archive.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import { choosePlatform, formatPlatform, hostPlatform } from '../../oci/parse-platform.ts'
import { familiarReference, parseReference, withDefaultTag } from '../../oci/parse-reference.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Reference } from '../../oci/reference.ts'
import type { Engine } from '../engine.ts'
import { decompressUpload } from '../files/decompress-upload.ts'
import { isTrue } from '../http/query.ts'
import type { ApiRequest, ApiResponse, ApiVersion } from '../http/route.ts'
import { archiveBlobs } from './archive-blobs.ts'
import { readPlatformList } from './decode-platform.ts'
import { danglingName, recordNameOf } from './image-names.ts'
import type { ImageContent } from './image-store.ts'
import { readImageTree, findPlatforms, type TreeNode, wholeManifests } from './image-tree.ts'
import { labelContent, labelTree } from './label-content.ts'
import type { UnpackProgress } from './layer-unpacker.ts'
import { endLater, type Lease, takeLease } from './lease.ts'
import { answerWithProgress, type SendProgress } from './progress-response.ts'
import { errorMessage, layerMessage } from './progress-stream.ts'
import { isImage } from './manifest-summaries.ts'
import { publishImageEvent } from './publish-image-event.ts'
import { readBlob, readImage } from './read-image.ts'
import { unpackImage } from './unpack-image.ts'

interface Load {
  platforms: readonly Platform[]
  isQuiet: boolean
  version: ApiVersion
  signal: AbortSignal
  send: SendProgress
}

/** Whatever is wrong with the archive is told in the stream, as Docker does it. */
export async function loadImages(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const { version, signal } = request
  const platforms = readPlatformList(request, '1.48')
  const isQuiet = isTrue(request.query, 'quiet', true)
  return await answerWithProgress(request, async (send) => {
    try {
      await load(engine, { platforms, isQuiet, version, signal, send }, inBatches(request.raw))
    } catch (error) {
      send(errorMessage(version, messageOf(error)))
    }
  })
}

async function load(engine: Engine, options: Load, upload: AsyncIterable<Buffer>): Promise<void> {
  const { signal, platforms } = options
  await using undo = new UndoStack()
  const lease = undo.use(await takeLease(engine.containerd, engine.id, engine.clock.now()))
  const blobs = archiveBlobs(lease, signal)
  const index = await importArchive(decompressUpload(upload), blobs, { compressLayers: false, signal })
  const document = parseManifestOrIndex(await readBlob(lease.client, index, MANIFEST_BYTES_MAX), index.mediaType)
  if (document.kind !== 'index') throw new Failure('invalid-argument', 'index.json is no index')
  if (document.manifests.length === 0) throw new Failure('not-found', 'image might be filtered out: not found')
  const lacking: string[] = []
  for (const entry of document.manifests) {
    signal.throwIfAborted()
    const loaded = await loadImage(engine, lease, options, entry)
    if (!loaded.hasPlatform) lacking.push(loaded.name)
  }
  endLater(engine, undo.release())
  if (lacking.length > 0) throw withoutPlatform(lacking, platforms)
}

async function loadImage(
  engine: Engine,
  lease: Lease,
  options: Load,
  entry: Descriptor,
): Promise<{ name: string; hasPlatform: boolean }> {
  const { send, platforms, isQuiet } = options
  const { client } = lease
  const tree = await readImageTree(client, entry)
  const reference = nameOf(entry)
  const name = reference === undefined ? entry.digest : familiarReference(reference)
  const { manifest, others, hasPlatform } = await choose(client, tree, platforms)
  const image = await readImage(client, plain(entry), manifest.digest)
  const all = [image]
  for (const { digest } of others) all.push(await readImage(client, plain(entry), digest))
  for (const each of all)
    await unpackImage(engine, lease, each, options.signal, isQuiet ? undefined : loadingProgress(options, each))
  await labelTree(client, tree)
  for (const each of all) await labelContent(client, each)
  await nameImage(engine, lease, image, reference, send)
  publishImageEvent(engine, 'load', image.id, image.id, image)
  return { name, hasPlatform }
}

/** Without what the archive's index says of it, which is its names. */
function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}

/** containerd's annotation, or else OCI's, which some programs put the whole name into. */
function nameOf({ annotations = {} }: Descriptor): Reference | undefined {
  const text = annotations[IMAGE_NAME] || annotations[REF_NAME] || ''
  try {
    return text === '' ? undefined : withDefaultTag(parseReference(text))
  } catch {
    return undefined // no name that any of Docker's commands would take
  }
}

/** What the name shall stand for, and what else was asked for: of that, or of all, this machine's platform, else whatever is there. */
async function choose(
  client: ContainerdClient,
  tree: TreeNode,
  platforms: readonly Platform[],
): Promise<{ manifest: Descriptor; others: readonly Descriptor[]; hasPlatform: boolean }> {
  const manifests = wholeManifests(tree)
  // What attests to an image comes as a manifest, too.
  const runnable = manifests.filter(isImage)
  const whole = (runnable.length > 0 ? runnable : manifests).map(({ descriptor }) => descriptor)
  const asked = await findPlatforms(client, tree, platforms)
  const [first] = asked.length > 0 ? asked : whole
  if (first === undefined) throw new Failure('not-found', `content digest ${missingIn(tree)}: not found`)
  const manifest = choosePlatform(hostPlatform(), asked.length > 0 ? asked : whole) ?? first
  const others = asked.filter(({ digest }) => digest !== manifest.digest)
  return { manifest, others, hasPlatform: platforms.length === 0 || asked.length > 0 }
}

function missingIn(node: TreeNode): string {
  const child = node.children.find(({ isWhole }) => !isWhole)
  return child === undefined ? node.descriptor.digest : missingIn(child)
}

function loadingProgress({ send, version }: Load, image: ImageContent): UnpackProgress {
  const tell = (layer: Descriptor, current: number) => {
    const at = image.layers.findIndex(({ digest }) => digest === layer.digest)
    const id = shortId(image.config.rootfs.diff_ids[at] ?? layer.digest)
    send(layerMessage(version, id, 'Loading layer', { current, total: layer.size }))
  }
  return {
    extracting: (layer) => tell(layer, Math.min(layer.size, FIRST_BYTES)),
    unpacked: (layer) => tell(layer, layer.size),
    alreadyThere: () => {},
  }
}

/** What Docker has read of a layer when it first tells of it. */
const FIRST_BYTES = 32 * 1024

async function nameImage(
  engine: Engine,
  { client }: Lease,
  image: ImageContent,
  reference: Reference | undefined,
  send: SendProgress,
): Promise<void> {
  const tell = (text: string) => send({ stream: `${text}\n` })
  const images = await engine.images.list()
  if (reference === undefined) {
    const isKept = images.some(({ id }) => id === image.id)
    if (!isKept) await engine.images.tag(image, danglingName(image.target.digest), client)
    return tell(`Loaded image ID: ${image.id}`)
  }
  const recordName = recordNameOf(reference)
  const before = images.find(({ recordNames }) => recordNames.includes(recordName))
  const name = familiarReference(reference)
  if (before !== undefined && before.id !== image.id)
    tell(`The image ${name} already exists, renaming the old one with ID ${before.id} to empty string`)
  await engine.images.tag(image, recordName, client)
  tell(`Loaded image: ${name}`)
}

function withoutPlatform(names: readonly string[], platforms: readonly Platform[]): Failure {
  const formatted = platforms.map(formatPlatform)
  const wanted = formatted.length === 1 ? formatted[0] : `[${formatted.join(' ')}]`
  const [name = ''] = names
  return new Failure(
    'not-found',
    names.length === 1
      ? `image ${name} was loaded, but doesn't provide the requested platform (${wanted})`
      : `images [${names.join(', ')}] were loaded, but don't provide the requested platform (${wanted})`,
  )
}
