// The story of a push: blobs that the registry lacks, then the manifests that name them, then the indexes that name those.
import { Failure, isFailure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { isIndexType, isManifestType } from '../../oci/media-type.ts'
import { MANIFEST_BYTES_MAX } from '../../oci/parse-manifest.ts'
import { hasManifest, pushBlob, pushManifest } from '../../registry/client/push-blob.ts'
import type { RegistrySession } from '../../registry/client/registry-session.ts'
import { descriptorOf, ImageContent } from './image-content.ts'
import { cancelled } from './named-stream.ts'
import { BlobProgress } from './progress.ts'
import type { RegistryEnd } from './registry-end.ts'
import { mountCandidate } from '../../registry/client/source-label.ts'
import type { StoreEnd } from './store-end.ts'
import { together } from './together.ts'
import type { TransferCall } from './transfer-call.ts'

const DEPTH_MAX = 8
const BLOBS_MAX = 20_000

export async function push(call: TransferCall, store: StoreEnd, registry: RegistryEnd): Promise<void> {
  const { report } = call
  const image = store.require(call)
  const descriptor = descriptorOf(image.target!)
  report(`Pushing to ${registry}`)
  report('pushing content', { name: image.name, descriptor })
  using progress = new BlobProgress(report, image.name, 'uploading') // tells how the blobs ended after all else
  await new Push(call, { registry, store, progress, root: descriptor }).run()
  report('pushed content', { name: image.name, descriptor })
  report(`Completed push to ${registry}`, { descriptor })
}

class Push {
  readonly #call: TransferCall
  readonly #content: ImageContent
  readonly #registry: RegistryEnd
  readonly #session: RegistrySession
  readonly #store: StoreEnd
  readonly #progress: BlobProgress
  readonly #root: Descriptor
  /** Each once, with the labels that tell where it may lie already. */
  readonly #blobs = new Map<Digest, { blob: Descriptor; parent: Descriptor }>()
  readonly #manifests = new Map<Digest, Descriptor>()
  readonly #indexes = new Map<Digest, Descriptor>()

  constructor(
    call: TransferCall,
    ends: { registry: RegistryEnd; store: StoreEnd; progress: BlobProgress; root: Descriptor },
  ) {
    this.#call = call
    this.#content = new ImageContent(call)
    this.#registry = ends.registry
    this.#session = ends.registry.pushSession()
    this.#store = ends.store
    this.#progress = ends.progress
    this.#root = ends.root
  }

  async run(): Promise<void> {
    const { signal, slots } = this.#call
    await this.#collect(this.#root, this.#root, 0)
    await together([...this.#blobs.values()], signal, ({ blob, parent }, both) =>
      slots.run(() => this.#pushBlob(blob, parent, both)),
    )
    await together([...this.#manifests.values()], signal, (manifest, both) =>
      slots.run(() => this.#pushManifest(manifest, both)),
    )
    for (const index of [...this.#indexes.values()].reverse()) await this.#pushManifest(index, signal)
  }

  async #collect(descriptor: Descriptor, parent: Descriptor, depth: number): Promise<void> {
    const { digest, mediaType } = descriptor
    const known = this.#blobs.size + this.#manifests.size + this.#indexes.size
    if (depth > DEPTH_MAX || known > BLOBS_MAX)
      throw new Failure('resource-exhausted', `image of too many parts: resource exhausted`)
    this.#progress.add(descriptor)
    if (isIndexType(mediaType)) this.#indexes.set(digest, descriptor)
    else if (isManifestType(mediaType)) this.#manifests.set(digest, descriptor)
    else this.#blobs.set(digest, { blob: descriptor, parent })
    const children = this.#store.fitting(await this.#content.children(descriptor))
    this.#progress.addChildren(descriptor, children)
    for (const child of children) await this.#collect(child, descriptor, depth + 1)
  }

  async #pushBlob(blob: Descriptor, parent: Descriptor, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw cancelled(signal)
    const sources = { ...this.#content.labels(parent.digest), ...this.#content.labels(blob.digest) }
    const pushed = await pushBlob(this.#session, blob, {
      stream: () => {
        this.#content.size(blob.digest) // what is missing is told before the request, and in the store's words
        return this.#counted(blob)
      },
      mountFrom: mountCandidate(sources, this.#registry.reference),
      signal,
    }).catch(denied)
    if (pushed === 'sent') this.#progress.completed(blob)
    else this.#progress.alreadyThere(blob)
  }

  /** The root under the tag; all others, and a root that is asked for by digest, under their digests. */
  async #pushManifest(manifest: Descriptor, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw cancelled(signal)
    const { tag, digest: wanted } = this.#registry.reference
    const isTagged = manifest.digest === this.#root.digest && tag !== undefined && wanted === undefined
    const name = isTagged ? tag : manifest.digest
    const bytes = await this.#content.read(manifest, MANIFEST_BYTES_MAX)
    if (await hasManifest(this.#session, manifest, name, signal).catch(denied)) {
      this.#progress.alreadyThere(manifest)
      return
    }
    await pushManifest(this.#session, { descriptor: manifest, bytes, name }, signal).catch(denied)
    this.#progress.completed(manifest)
  }

  async *#counted(blob: Descriptor): AsyncGenerator<Buffer> {
    let done = 0
    for await (const part of this.#content.stream(blob.digest)) {
      yield part
      done += part.length
      this.#progress.moved(blob, done)
    }
  }
}

function denied(error: unknown): never {
  if (!isFailure(error, 'unauthenticated', 'forbidden')) throw error
  throw new Failure(
    'unknown',
    `push access denied, repository does not exist or may require authorization: authorization failed: ${error.message}`,
    { cause: error },
  )
}
