// The story of a pull, on the engine's side: a lease for what comes in, layers unpacked while others still arrive, then a name.
import { statfs } from 'node:fs/promises'
import { Failure } from '../../base/failure.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import { uploadedBytes } from '../../containerd/client/content-writer.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { releaseMemorySoon } from '../../linux/release-memory.ts'
import { isConfigType } from '../../oci/media-type.ts'
import { IMAGE_CONFIG_BYTES_MAX, parseImageConfig } from '../../oci/parse-image-config.ts'
import { familiarName, familiarReference, withDefaultTag } from '../../oci/parse-reference.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Reference } from '../../oci/reference.ts'
import { noRoom } from '../../registry/client/kept-pulls.ts'
import type { BlobSink, PulledImage, PullRequest } from '../../registry/client/puller.ts'
import type { RegistryAuth } from '../../registry/upstream/registry-auth.ts'
import { CERTS_DIRECTORY } from '../../registry/upstream/tls-files.ts'
import type { Engine } from '../engine.ts'
import { recordNameOf } from './image-names.ts'
import type { ImageContent } from './image-store.ts'
import { type BroughtContent, bringContent, dropKeptPulls } from './kept-pulls.ts'
import { labelContent, labelSource } from './label-content.ts'
import { LayerUnpacker } from './layer-unpacker.ts'
import { endLater, type Lease, takeLease } from './lease.ts'
import { publishImageEvent } from './publish-image-event.ts'
import type { PullReporter } from './pull-progress.ts'
import { imageContent } from './read-image.ts'

export interface PullOptions {
  reference: Reference
  platform: Platform
  auth: RegistryAuth | undefined
  reporter: PullReporter
  signal: AbortSignal
}

/**
 * Resolves with the image and whether the name means another one than before. On failure nothing stays behind; but where the line was cut or the disk was full,
 * what came waits a day for the next pull of the name.
 */
export async function pullImage(
  engine: Engine,
  options: PullOptions,
): Promise<{ image: ImageContent; isNew: boolean }> {
  try {
    return await pullLeased(engine, { ...options, reference: withDefaultTag(options.reference) })
  } catch (error) {
    throw firstOf(error)
  }
}

async function pullLeased(engine: Engine, options: PullOptions): Promise<{ image: ImageContent; isNew: boolean }> {
  await using undo = new UndoStack()
  const lease = undo.use(await takeLease(engine.containerd, engine.id, engine.clock.now()))
  const brought = undo.use(await bringContent(engine, recordNameOf(options.reference)))
  try {
    const pulled = await pullUnder(engine, options, lease, brought)
    endLater(engine, undo.release())
    return pulled
  } catch (error) {
    brought.failed(engine.phase.isLeaving ? new Failure('unavailable', 'the daemon is stopping') : firstOf(error))
    throw error
  }
}

/** What has gone wrong, and not what then went wrong with the tidying up: with a containerd that is away all of it does. */
function firstOf(error: unknown): unknown {
  const isPair = error instanceof Error && error.name === 'SuppressedError' && 'suppressed' in error
  return isPair ? firstOf(error.suppressed) : error
}

async function pullUnder(
  engine: Engine,
  options: PullOptions,
  lease: Lease,
  brought: BroughtContent,
): Promise<{ image: ImageContent; isNew: boolean }> {
  const { reference } = options
  const recordName = recordNameOf(reference)
  const before = await findByRecordName(engine, recordName)
  using _memory = { [Symbol.dispose]: releaseMemorySoon }
  await using unpacker = new LayerUnpacker({
    client: lease.client,
    progress: options.reporter,
    isParallel: engine.peer.isOwn,
    signal: options.signal,
    hold: lease.holdSnapshot,
  })
  const sink = learningSink(holdingSink(roomySink(engine, brought.sink), lease), unpacker)
  const pulled = await fetchImage(engine, options, sink, unpacker)
  options.reporter.open()
  const config = parseImageConfig(await sink.read(pulled.config, IMAGE_CONFIG_BYTES_MAX))
  const image = imageContent({ target: pulled.root, descriptor: pulled.manifest, manifest: pulled, config })
  await unpacker.finish(pulled.layers, config)
  await labelContent(lease.client, image)
  await labelSource(lease.client, image.manifest.digest, reference)
  await engine.images.tag(image, recordName, lease.client)
  publishImageEvent(engine, 'pull', familiarReference(reference), familiarName(reference), image)
  const isNew = before?.target.digest !== image.target.digest || before.manifest.digest !== image.manifest.digest
  return { image, isNew }
}

async function fetchImage(
  engine: Engine,
  options: PullOptions,
  sink: BlobSink,
  unpacker: LayerUnpacker,
): Promise<PulledImage> {
  // TLS and all that comes with it are loaded by the first pull, not by every start.
  const registry = await import('../../registry/client/pull-image.ts')
  const { config } = engine
  return await registry.pullImage({
    reference: options.reference,
    platform: options.platform,
    auth: options.auth,
    insecureRegistries: config.insecureRegistries,
    mirrors: config.registryMirrors,
    certsDirectory: CERTS_DIRECTORY,
    maxConcurrentDownloads: config.maxConcurrentDownloads,
    maxDownloadAttempts: config.maxDownloadAttempts,
    sink,
    progress: options.reporter,
    ...(config.signaturePolicy === '' ? {} : { approve: approval(engine, options.signal) }),
    onLayerStored: (layer, index) => unpacker.layerStored(layer, index),
    signal: options.signal,
  })
}

/** Its code is loaded where there is a policy. */
function approval(engine: Engine, signal: AbortSignal): NonNullable<PullRequest['approve']> {
  return async (session, reference, digests) => {
    const { requireSignature } = await import('../signature/require-signature.ts')
    const { signaturePolicy } = engine.config
    await requireSignature(signaturePolicy, session, reference, digests, { nowMs: engine.clock.now(), signal })
  }
}

/** The puller reads the configuration as soon as it is stored: from then on layers can be unpacked. */
function learningSink(sink: BlobSink, unpacker: LayerUnpacker): BlobSink {
  return {
    ...sink,
    read: async (descriptor, sizeMax) => {
      const bytes = await sink.read(descriptor, sizeMax)
      if (isConfigType(descriptor.mediaType)) unpacker.learnConfig(parseImageConfig(bytes))
      return bytes
    },
  }
}

/** What is there already may be on its way out, with an image that has just been removed: it counts only once it is held. */
function holdingSink(sink: BlobSink, lease: Lease): BlobSink {
  return {
    ...sink,
    has: async (descriptor) => {
      if (!(await sink.has(descriptor))) return false
      await lease.holdContent(descriptor.digest)
      return sink.has(descriptor)
    },
  }
}

/** A registry may claim any size: what can't be stored is not begun, for a disk that is filled up is everybody's. Of another containerd nobody knows where it stores. */
function roomySink(engine: Engine, sink: BlobSink): BlobSink {
  if (engine.config.containerdAddress !== undefined) return sink
  return {
    ...sink,
    makeRoom: async (descriptors) => {
      if (await hasRoom(engine, sink, descriptors)) return
      await dropKeptPulls(engine)
      if (await hasRoom(engine, sink, descriptors)) return
      const { dataRoot } = engine.config
      const { blocks, bsize } = await statfs(dataRoot)
      throw noRoom(sizeOf(descriptors), blocks * bsize, dataRoot)
    },
  }
}

async function hasRoom(engine: Engine, sink: BlobSink, descriptors: readonly Descriptor[]): Promise<boolean> {
  const { bavail, bsize } = await statfs(engine.config.dataRoot)
  const room = bavail * bsize
  let missing = sizeOf(descriptors)
  for (const blob of distinct(descriptors)) {
    if (missing <= room) return true
    missing -= (await sink.has(blob)) ? blob.size : await uploadedBytes(engine.containerd, blob.digest)
  }
  return missing <= room
}

function distinct(descriptors: readonly Descriptor[]): Descriptor[] {
  return [...new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor])).values()]
}

function sizeOf(descriptors: readonly Descriptor[]): number {
  return distinct(descriptors).reduce((sum, { size }) => sum + size, 0)
}

async function findByRecordName(engine: Engine, recordName: string): Promise<ImageContent | undefined> {
  return (await engine.images.list()).find((image) => image.recordNames.includes(recordName))
}
