// The story of a push: blobs that the registry lacks, several at a time, then the manifests that name them, then what the tag shall mean.
import { type Clock, systemClock } from '../../base/clock.ts'
import { Failure, isFailure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { isLayerType, isNonDistributable } from '../../oci/media-type.ts'
import { MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import type { Reference } from '../../oci/reference.ts'
import { pushEndpoint } from './configured-endpoints.ts'
import { ConnectionFailure } from '../upstream/http-request.ts'
import { pushBlob, pushManifest } from './push-blob.ts'
import type { RegistryAuth } from '../upstream/registry-auth.ts'
import { RegistrySession } from './registry-session.ts'

/** Where the image's blobs are: an OCI layout, a content store. */
export interface BlobSource {
  read(descriptor: Descriptor, sizeMax: number): Promise<Uint8Array>
  stream(descriptor: Descriptor): AsyncIterable<Uint8Array>
}

export interface PushProgress {
  /** Of each layer once, as soon as the registry has answered. */
  preparing(layer: Descriptor): void
  waiting(layer: Descriptor): void
  pushing(layer: Descriptor, doneBytes: number): void
  retrying(layer: Descriptor, seconds: number): void
  /** `mountedFrom`: the repository that had it. */
  pushed(layer: Descriptor, how: 'exists' | 'mounted' | 'sent', mountedFrom: string | undefined): void
}

export interface PushRequest {
  /** Its tag is what `root` is to be called. */
  reference: Reference & { tag: string }
  /** A manifest, or an index whose manifests are all there. */
  root: Descriptor
  source: BlobSource
  auth: RegistryAuth | undefined
  insecureRegistries: readonly string[]
  /** A directory per registry: `certs.d`. Left out: none. */
  certsDirectory?: string
  maxConcurrentUploads: number
  /** A repository of the same registry that may have the image's layers: then they need not be sent. */
  mountFrom: string | undefined
  progress: PushProgress
  clock?: Clock
  signal: AbortSignal
}

const DEPTH_MAX = 4
const BLOBS_MAX = 20_000
const ATTEMPTS_MAX = 5
/** The wait before attempt n+1 is n times as long. */
const RETRY_SECONDS = 5

/** Throws Failure with the registry's own words. */
export async function pushImage(request: PushRequest): Promise<void> {
  const { reference, progress, signal } = request
  const parts = await collectParts(request)
  const endpoint = await pushEndpoint(reference.domain, request)
  // What was entered for the registry is none of a mirror's business.
  const auth = endpoint.isMirror ? undefined : request.auth
  const session = new RegistrySession(endpoint, { repository: reference.path, actions: 'pull,push', auth })
  await session.connect(signal)
  for (const layer of parts.layers) progress.preparing(layer)
  // First, and once: who may not push is told so without delay.
  for (const blob of parts.others) await pushBlob(session, blob, { stream: () => request.source.stream(blob), signal })
  await pushLayers(request, session, parts.layers)
  for (const { descriptor, bytes } of parts.manifests) {
    const name = descriptor.digest === request.root.digest ? reference.tag : descriptor.digest
    await pushManifest(session, { descriptor, bytes, name }, signal)
  }
}

interface Parts {
  /** Each once, from the top down, as Docker tells of them. */
  layers: Descriptor[]
  /** Configurations, and whatever else an artifact has. */
  others: Descriptor[]
  /** Those that others name before those. */
  manifests: { descriptor: Descriptor; bytes: Uint8Array }[]
}

async function collectParts(request: PushRequest): Promise<Parts> {
  const blobs = new Map<string, Descriptor>()
  const manifests = new Map<string, { descriptor: Descriptor; bytes: Uint8Array }>()
  const visit = async (descriptor: Descriptor, depth: number): Promise<void> => {
    if (manifests.has(descriptor.digest)) return
    if (depth > DEPTH_MAX || blobs.size + manifests.size > BLOBS_MAX)
      throw new Failure('resource-exhausted', 'image of too many parts')
    const bytes = await request.source.read(descriptor, MANIFEST_BYTES_MAX)
    const document = parseManifestOrIndex(bytes, descriptor.mediaType)
    if (document.kind === 'index') for (const child of document.manifests) await visit(child, depth + 1)
    else for (const blob of [document.config, ...document.layers]) blobs.set(blob.digest, blob)
    manifests.set(descriptor.digest, { descriptor, bytes })
  }
  await visit(request.root, 0)
  const all = [...blobs.values()].filter(({ mediaType }) => !isNonDistributable(mediaType))
  return {
    layers: all.filter(({ mediaType }) => isLayerType(mediaType)).reverse(),
    others: all.filter(({ mediaType }) => !isLayerType(mediaType)),
    manifests: [...manifests.values()],
  }
}

/** The first failure ends the others; nothing of them is under way any more when it is thrown. */
async function pushLayers(
  request: PushRequest,
  session: RegistrySession,
  layers: readonly Descriptor[],
): Promise<void> {
  const stop = new AbortController()
  const signal = AbortSignal.any([request.signal, stop.signal])
  const queue = [...layers]
  const count = Math.max(1, Math.min(request.maxConcurrentUploads, queue.length))
  for (const layer of queue.slice(count)) request.progress.waiting(layer)
  const worker = async () => {
    for (let layer = queue.shift(); layer; layer = queue.shift())
      await pushLayer({ ...request, signal }, session, layer)
  }
  const workers = Array.from({ length: count }, worker)
  try {
    await Promise.all(workers)
  } catch (error) {
    stop.abort(error)
    await Promise.allSettled(workers)
    throw request.signal.aborted ? request.signal.reason : error
  }
}

async function pushLayer(request: PushRequest, session: RegistrySession, layer: Descriptor): Promise<void> {
  const { progress, signal, mountFrom, clock = systemClock } = request
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted()
    try {
      const stream = () => counted(request, layer)
      const how = await pushBlob(session, layer, { stream, mountFrom, signal })
      progress.pushed(layer, how, mountFrom)
      return
    } catch (error) {
      if (signal.aborted || attempt === ATTEMPTS_MAX || !isPassing(error)) throw error
      for (let left = attempt * RETRY_SECONDS; left > 0 && !signal.aborted; left--) {
        progress.retrying(layer, left)
        await clock.sleep(1000, signal)
      }
    }
  }
}

/** The line, or a registry that is overwhelmed: neither says anything about the image. */
function isPassing(error: unknown): boolean {
  return error instanceof ConnectionFailure || isFailure(error, 'unavailable')
}

async function* counted({ source, progress }: PushRequest, layer: Descriptor): AsyncGenerator<Uint8Array> {
  let done = 0
  for await (const part of source.stream(layer)) {
    yield part
    done += part.length
    progress.pushing(layer, done)
  }
}
