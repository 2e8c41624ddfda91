// The story of a pull, on the engine's side: a lease for what comes in, layers unpacked while others still arrive, then a name.
import { systemClock } from '../../base/clock.ts'
import { isUploading, openContentSink } from '../../containerd/client/content-writer.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import type { Digest } from '../../oci/digest.ts'
import { releaseMemorySoon } from '../../linux/release-memory.ts'
import { isConfigType } from '../../oci/media-type.ts'
import { IMAGE_CONFIG_BYTES_MAX, parseImageConfig } from '../../oci/parse-image-config.ts'
import { familiarName, familiarReference, withDefaultTag } from '../../oci/parse-reference.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Reference } from '../../oci/reference.ts'
import type { BlobSink, PulledImage, PullRequest } from '../../registry/client/puller.ts'
import type { RegistryAuth } from '../../registry/upstream/registry-auth.ts'
import { CERTS_DIRECTORY } from '../../registry/upstream/tls-files.ts'
import type { Engine } from '../engine.ts'
import { recordNameOf } from './image-names.ts'
import type { ImageContent } from './image-store.ts'
import { labelContent, labelSource } from './label-content.ts'
import { LayerUnpacker } from './layer-unpacker.ts'
import { type Lease, takeLease } from './lease.ts'
import { publishImageEvent } from './publish-image-event.ts'
import type { PullReporter } from './pull-progress.ts'
import { imageContent } from './read-image.ts'

const ABORT_ATTEMPTS = 50
const ABORT_RETRY_MS = 20

export interface PullOptions {
  reference: Reference
  platform: Platform
  auth: RegistryAuth | undefined
  reporter: PullReporter
  signal: AbortSignal
}

/** Resolves with the image and whether the name means another one than before. On failure nothing stays behind. */
export async function pullImage(
  engine: Engine,
  options: PullOptions,
): Promise<{ image: ImageContent; isNew: boolean }> {
  const reference = withDefaultTag(options.reference)
  const recordName = recordNameOf(reference)
  const before = await findByRecordName(engine, recordName)
  await using lease = await takeLease(engine.containerd, engine.id, engine.clock.now())
  using _memory = { [Symbol.dispose]: releaseMemorySoon }
  await using unpacker = new LayerUnpacker({
    client: lease.client,
    progress: options.reporter,
    isParallel: engine.peer.isOwn,
    signal: options.signal,
    hold: lease.holdSnapshot,
  })
  const sink = learningSink(holdingSink(sweepingSink(lease.client), lease), unpacker)
  const pulled = await fetchImage(engine, { ...options, reference }, sink, unpacker)
  options.reporter.open()
  const config = parseImageConfig(await sink.read(pulled.config, IMAGE_CONFIG_BYTES_MAX))
  const image = imageContent({ target: pulled.root, descriptor: pulled.manifest, manifest: pulled, config })
  await unpacker.finish(pulled.layers, config)
  await labelContent(lease.client, image)
  await labelSource(lease.client, image.manifest.digest, reference)
  await engine.images.tag(image, recordName)
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

/** What of a blob was written before it failed is not kept: a pull that fails leaves the disk as it was. */
function sweepingSink(client: ContainerdClient): BlobSink {
  const sink = openContentSink(client)
  return {
    ...sink,
    write: async (descriptor, source, signal) => {
      try {
        await sink.write(descriptor, source, signal)
      } catch (error) {
        await abortUploads(client, descriptor.digest)
        throw error
      }
    },
  }
}

/** containerd gives the lock up a moment after the stream has broken. Another pull that writes the same blob keeps it, and its upload stays. */
async function abortUploads(client: ContainerdClient, digest: Digest): Promise<void> {
  for (let attempt = 0; attempt < ABORT_ATTEMPTS && !isUploading(digest); attempt++) {
    const { statuses } = await client.content.listStatuses({ filters: [] })
    const refs = statuses.filter(({ expected }) => expected === digest).map(({ ref }) => ref)
    const aborted = await Promise.allSettled(refs.map((ref) => client.content.abort({ ref })))
    if (aborted.every(({ status }) => status === 'fulfilled')) return
    await systemClock.sleep(ABORT_RETRY_MS)
  }
}

async function findByRecordName(engine: Engine, recordName: string): Promise<ImageContent | undefined> {
  return (await engine.images.list()).find((image) => image.recordNames.includes(recordName))
}
