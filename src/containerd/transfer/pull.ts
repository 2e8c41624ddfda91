// The story of a pull: resolve, fetch the tree from the root down, unpack what has a snapshotter, and give it its name.
import { Failure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { isManifestType } from '../../oci/media-type.ts'
import type { ResolvedManifest } from '../../registry/client/resolve-manifest.ts'
import { descriptorOf, ImageContent } from './image-content.ts'
import { isAnyLayer, isKnownConfig, ingestRef } from './ingest-ref.ts'
import { BlobProgress } from './progress.ts'
import type { RegistryEnd } from './registry-end.ts'
import { sourceLabel } from '../../registry/client/source-label.ts'
import type { StoreEnd } from './store-end.ts'
import { together } from './together.ts'
import type { TransferCall } from './transfer-call.ts'
import { isForLinux, unpackImage } from './unpack-image.ts'

/** Indexes may hold indexes; a loop of them is somebody's joke, and so is one of a million entries. */
const DEPTH_MAX = 8
const BLOBS_MAX = 20_000

export async function pull(call: TransferCall, registry: RegistryEnd, store: StoreEnd): Promise<void> {
  const { report } = call
  report(`Resolving from ${registry}`)
  const root = await registry.resolve(call.signal)
  const { descriptor } = root
  report(`Pulling from ${registry}`)
  report('fetching image content', { name: registry.name, descriptor })
  using progress = new BlobProgress(report, registry.name, 'downloading') // tells how the blobs ended after all else
  await new Pull(call, { registry, store, root, progress }).fetchTree(descriptor, 0, call.signal)
  for (const { name, target } of await store.save(call, descriptor, store.wholeNames(descriptor)))
    report('saved', { name, descriptor: descriptorOf(target!) })
  report(`Completed pull from ${registry}`)
}

class Pull {
  readonly #call: TransferCall
  readonly #content: ImageContent
  readonly #registry: RegistryEnd
  readonly #store: StoreEnd
  readonly #root: ResolvedManifest
  readonly #progress: BlobProgress
  readonly #snapshotters: readonly string[]
  /** A blob that the tree has twice is fetched once. */
  readonly #fetched = new Map<Digest, Promise<void>>()

  constructor(
    call: TransferCall,
    ends: { registry: RegistryEnd; store: StoreEnd; root: ResolvedManifest; progress: BlobProgress },
  ) {
    this.#call = call
    this.#content = new ImageContent(call)
    this.#registry = ends.registry
    this.#store = ends.store
    this.#root = ends.root
    this.#progress = ends.progress
    this.#snapshotters = ends.store.snapshotters(call)
  }

  async fetchTree(descriptor: Descriptor, depth: number, signal: AbortSignal): Promise<void> {
    if (depth > DEPTH_MAX) throw new Failure('invalid-argument', `index is nested more than ${DEPTH_MAX} deep`)
    await this.#fetch(descriptor, signal)
    const all = await this.#content.children(descriptor)
    this.#content.labelChildren(descriptor, all)
    const children = this.#store.select(descriptor, all)
    this.#progress.addChildren(descriptor, children)
    if (isManifestType(descriptor.mediaType)) await this.#fetchImage(children, depth, signal)
    else await together(children, signal, (child, both) => this.fetchTree(child, depth + 1, both))
  }

  /** The layers of an image that is unpacked are unpacked as they arrive. */
  async #fetchImage(children: readonly Descriptor[], depth: number, signal: AbortSignal): Promise<void> {
    const layers = children.filter(({ mediaType }) => isAnyLayer(mediaType))
    const others = children.filter(({ mediaType }) => !isAnyLayer(mediaType))
    await this.#content.requireRoom(layers, ingestRef)
    await together(others, signal, (child, both) => this.fetchTree(child, depth + 1, both))
    const config = others.find(({ mediaType }) => isKnownConfig(mediaType))
    const fetchAll = (both: AbortSignal) =>
      together(layers, both, (layer, each) => this.#fetch(layer, each)).then(() => {})
    const isUnpacked = config !== undefined && layers.length > 0 && (await isForLinux(this.#content, config))
    const unpacks = isUnpacked
      ? this.#snapshotters.map((snapshotter) => (both: AbortSignal) => this.#unpack(snapshotter, config, layers, both))
      : []
    await together([fetchAll, ...unpacks], signal, (work, both) => work(both))
  }

  #unpack(snapshotter: string, config: Descriptor, layers: readonly Descriptor[], signal: AbortSignal): Promise<void> {
    return unpackImage({ ...this.#call, signal }, this.#content, {
      config,
      layers,
      snapshotter,
      fetched: (layer, both) => this.#fetch(layer, both),
      extracting: (layer) => this.#progress.extracting(layer),
      extracted: (layer) => this.#progress.extracted(layer),
    })
  }

  #fetch(descriptor: Descriptor, signal: AbortSignal): Promise<void> {
    const known = this.#fetched.get(descriptor.digest)
    if (known !== undefined) return known
    if (this.#fetched.size >= BLOBS_MAX)
      throw new Failure('resource-exhausted', `image has more than ${BLOBS_MAX} blobs: resource exhausted`)
    const fetched = this.#fetchOnce(descriptor, signal)
    this.#fetched.set(descriptor.digest, fetched)
    return fetched
  }

  async #fetchOnce(descriptor: Descriptor, signal: AbortSignal): Promise<void> {
    const { digest, size, mediaType } = descriptor
    if (size === 0)
      throw new Failure(
        'invalid-argument',
        `unable to fetch descriptor (${digest}) which reports content size of zero: invalid argument`,
      )
    if (mediaType === 'application/vnd.docker.distribution.manifest.v1+prettyjws')
      throw new Failure('invalid-argument', `${mediaType} not supported: invalid argument`)
    this.#progress.add(descriptor)
    const onProgress = (done: number) => this.#progress.moved(descriptor, done)
    const { existed } = await this.#call.shared.downloads.run(digest, { signal, onProgress }, (tell) =>
      this.#call.slots.run(() =>
        this.#content.write({ ref: ingestRef(descriptor), expected: digest, sizeBytes: size }, (offset) =>
          this.#bytesOf(descriptor, { signal, onProgress: tell, offset }),
        ),
      ),
    )
    if (existed) this.#progress.alreadyThere(descriptor)
    else this.#progress.completed(descriptor)
    const label = sourceLabel(this.#content.labels(digest), this.#registry.reference)
    if (label !== undefined) this.#content.setLabels(digest, { [label.name]: label.value })
  }

  async *#bytesOf(
    descriptor: Descriptor,
    options: { signal: AbortSignal; offset: number; onProgress(done: number): void },
  ): AsyncGenerator<Uint8Array> {
    if (descriptor.digest === this.#root.descriptor.digest) yield this.#root.bytes.subarray(options.offset)
    else yield* this.#registry.fetch(descriptor, options)
  }
}
