// How images come from a registry. The caller gives a sink for blobs; nothing here knows containerd.
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Reference } from '../../oci/reference.ts'
import type { RegistryAuth } from '../upstream/registry-auth.ts'
import type { RegistryConfig } from './configured-endpoints.ts'
import type { RegistrySession } from './registry-session.ts'

/** Known from the start, or asked for when a registry wants to be shown some. */
export type AuthSource = RegistryAuth | undefined | (() => Promise<RegistryAuth | undefined>)

/** All of a blob, or what can give the rest of it from any offset: then a sink may go on where an earlier write of the same blob broke off. */
export type BlobSource = AsyncIterable<Uint8Array> | ((offset: number) => AsyncIterable<Uint8Array>)

/** Where blobs go: in the engine, the content store of containerd. */
export interface BlobSink {
  has(descriptor: Descriptor): Promise<boolean>
  /** Stores the bytes; rejects with `failed-precondition` if size or digest differ, and leaves nothing behind then. Success means "it is stored". */
  write(descriptor: Descriptor, source: BlobSource, signal: AbortSignal): Promise<void>
  /** Throws `resource-exhausted` where what is missing of these can't be stored, going by the sizes they claim; left out: that is seen when it happens. */
  makeRoom?(descriptors: readonly Descriptor[]): Promise<void>
  /** Bytes of a stored blob of at most `sizeMax`. */
  read(descriptor: Descriptor, sizeMax: number): Promise<Uint8Array>
}

export interface PullProgress {
  /** `Pulling fs layer`, `Downloading`, …: Docker's words are chosen by the engine, from these. */
  onLayer(
    descriptor: Descriptor,
    state: 'waiting' | 'downloading' | 'verifying' | 'downloaded' | 'exists',
    doneBytes: number,
  ): void
}

export interface PullRequest extends RegistryConfig {
  reference: Reference
  platform: Platform
  auth: RegistryAuth | undefined
  maxConcurrentDownloads: number
  /** Of a blob, in a row without a byte gained; left out: five. */
  maxDownloadAttempts?: number
  sink: BlobSink
  progress: PullProgress
  /** Called as soon as a layer is stored, in any order, so that unpacking can start while later ones still arrive. */
  onLayerStored(descriptor: Descriptor, index: number): void
  /** Before anything is fetched that the manifest names. `digests`: of the root and of what was chosen in it. Throws what ends the pull. */
  approve?(session: RegistrySession, reference: Reference, digests: readonly Digest[]): Promise<void>
  signal: AbortSignal
}

export interface PulledImage {
  /** What the tag pointed at: an index or a manifest. */
  root: Descriptor
  manifest: Descriptor
  config: Descriptor
  layers: readonly Descriptor[]
}

/** Throws Failure with Docker's words: `manifest for x:y not found: manifest unknown: …`, `pull access denied for …`. */
export type PullImage = (request: PullRequest) => Promise<PulledImage>
