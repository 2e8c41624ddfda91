// The story of a pull: find the manifest, choose the platform, fetch what it names, several blobs at a time.
import { Failure, isFailure } from '../../base/failure.ts'
import { isAttestation } from '../../oci/attestation.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { isConfigType, isLayerType } from '../../oci/media-type.ts'
import { IMAGE_CONFIG_BYTES_MAX, parseImageConfig } from '../../oci/parse-image-config.ts'
import type { Index, Manifest } from '../../oci/parse-manifest.ts'
import { choosePlatform, formatPlatform } from '../../oci/parse-platform.ts'
import { withDefaultTag } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'
import { askEach } from './ask-each.ts'
import { damaged, fetchBlob } from './fetch-blob.ts'
import { findRoot } from './find-root.ts'
import type { PulledImage, PullImage, PullRequest } from './puller.ts'
import type { RegistrySession } from './registry-session.ts'
import { type ResolvedManifest, resolveManifest } from './resolve-manifest.ts'

/** Indexes may hold indexes; a loop of them is somebody's joke. */
const INDEX_DEPTH_MAX = 4
const LAYERS_MAX = 1000

export const pullImage: PullImage = async (request) => {
  const reference = withDefaultTag(request.reference)
  const { session, root, sessions } = await findRoot(request, reference)
  await store(request, root)
  const chosen = await choose(request, sessions, reference, root)
  await request.approve?.(session, reference, [root.descriptor.digest, chosen.descriptor.digest])
  const { document } = chosen
  checkManifest(document)
  await request.sink.makeRoom?.([document.config, ...document.layers])
  // The first failure stops the other downloads; it is the one that is told.
  const stop = new AbortController()
  const signal = AbortSignal.any([request.signal, stop.signal])
  const work = { ...request, signal }
  try {
    await together([fetchConfig(work, sessions, document), fetchLayers(work, sessions, document.layers, stop)], stop)
  } catch (error) {
    throw request.signal.aborted ? request.signal.reason : error
  }
  return {
    root: root.descriptor,
    manifest: chosen.descriptor,
    config: document.config,
    layers: document.layers,
  } satisfies PulledImage
}

/** As Promise.all, but nothing of it is under way any more when it rejects: who cleans up after a pull must not race with what is left of it. */
async function together(parts: readonly Promise<unknown>[], stop: AbortController): Promise<void> {
  try {
    await Promise.all(parts)
  } catch (error) {
    stop.abort(error)
    await Promise.allSettled(parts)
    throw error
  }
}

async function choose(
  request: PullRequest,
  sessions: readonly RegistrySession[],
  reference: Reference,
  root: ResolvedManifest,
): Promise<ResolvedManifest & { document: Manifest }> {
  let current = root
  for (let depth = 0; depth <= INDEX_DEPTH_MAX; depth++) {
    const { document } = current
    if (document.kind === 'manifest') return { ...current, document }
    const entry = chooseEntry(request, document)
    const wanted = { ...reference, tag: undefined, digest: entry.digest }
    const next = await askEach(sessions, request.signal, (session) => resolveManifest(session, wanted, request.signal))
    if (next.bytes.length !== entry.size)
      throw new Failure(
        'data-loss',
        `manifest ${entry.digest}: ${next.bytes.length} bytes where ${entry.size} were promised`,
      )
    current = next
    await store(request, current)
  }
  throw new Failure('invalid-argument', `index is nested more than ${INDEX_DEPTH_MAX} deep`)
}

function chooseEntry(request: PullRequest, index: Index): Descriptor {
  const images = index.manifests.filter((each) => !isAttestation(each))
  const entry = choosePlatform(request.platform, images)
  if (entry) return entry
  const platform = formatPlatform(request.platform)
  throw new Failure('not-found', `no matching manifest for ${platform} in the manifest list entries`)
}

function checkManifest(manifest: Manifest): void {
  if (!isConfigType(manifest.config.mediaType))
    throw new Failure('invalid-argument', `unsupported media type ${manifest.config.mediaType}`)
  if (manifest.config.size > IMAGE_CONFIG_BYTES_MAX)
    throw new Failure('resource-exhausted', `image config is larger than ${IMAGE_CONFIG_BYTES_MAX} bytes`)
  if (manifest.layers.length > LAYERS_MAX)
    throw new Failure('invalid-argument', `image has more than ${LAYERS_MAX} layers`)
  const strange = manifest.layers.find(({ mediaType }) => !isLayerType(mediaType))
  if (strange) throw new Failure('invalid-argument', `unsupported media type ${strange.mediaType}`)
}

async function fetchConfig(
  request: PullRequest,
  sessions: readonly RegistrySession[],
  manifest: Manifest,
): Promise<void> {
  const { sink } = request
  const { config } = manifest
  if (!(await sink.has(config))) await fetchInto(request, sessions, config, () => {})
  const { rootfs } = parseImageConfig(await sink.read(config, IMAGE_CONFIG_BYTES_MAX))
  if (rootfs.diff_ids.length !== manifest.layers.length)
    throw new Failure(
      'invalid-argument',
      `invalid image config: ${rootfs.diff_ids.length} diff ids for ${manifest.layers.length} layers`,
    )
}

/** From the bottom up, as many at a time as was asked for. A layer that an image has twice is fetched once. */
async function fetchLayers(
  request: PullRequest,
  sessions: readonly RegistrySession[],
  layers: readonly Descriptor[],
  stop: AbortController,
): Promise<void> {
  const places = new Map<string, number[]>()
  layers.forEach(({ digest }, i) => {
    places.set(digest, [...(places.get(digest) ?? []), i])
  })
  const queue = [...places.values()]
  for (const [first] of queue) request.progress.onLayer(layers[first!]!, 'waiting', 0)
  const worker = async () => {
    for (let indexes = queue.shift(); indexes; indexes = queue.shift()) {
      request.signal.throwIfAborted()
      await fetchLayer(request, sessions, layers[indexes[0]!]!)
      for (const index of indexes) request.onLayerStored(layers[index]!, index)
    }
  }
  const count = Math.max(1, Math.min(request.maxConcurrentDownloads, queue.length))
  await together(Array.from({ length: count }, worker), stop)
}

async function fetchLayer(
  request: PullRequest,
  sessions: readonly RegistrySession[],
  layer: Descriptor,
): Promise<void> {
  const { sink, progress } = request
  if (await sink.has(layer)) {
    progress.onLayer(layer, 'exists', layer.size)
    return
  }
  progress.onLayer(layer, 'downloading', 0)
  await fetchInto(request, sessions, layer, (doneBytes) =>
    progress.onLayer(layer, doneBytes < layer.size ? 'downloading' : 'verifying', doneBytes),
  )
  progress.onLayer(layer, 'downloaded', layer.size)
}

/** What one host breaks off the next one goes on with, from where the sink has it. */
async function fetchInto(
  request: PullRequest,
  sessions: readonly RegistrySession[],
  blob: Descriptor,
  onProgress: (doneBytes: number) => void,
): Promise<void> {
  const { sink, signal, maxDownloadAttempts: attemptsMax } = request
  const options = { signal, onProgress, attemptsMax, isProvenElsewhere: true }
  await askEach(sessions, signal, async (session, hasAlternative) => {
    try {
      await sink.write(blob, (offset) => fetchBlob(session, blob, { ...options, offset, hasAlternative }), signal)
    } catch (error) {
      if (!isFailure(error, 'failed-precondition')) throw error
      throw damaged(blob, 'does not have that digest', error)
    }
  })
}

async function store(request: PullRequest, { descriptor, bytes }: ResolvedManifest): Promise<void> {
  const { sink, signal } = request
  if (await sink.has(descriptor)) return
  try {
    await sink.write(descriptor, once(bytes), signal)
  } catch (error) {
    if (!isFailure(error, 'already-exists')) throw error
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
