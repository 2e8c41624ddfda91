// The story of an import: blobs of an archive into the content store, the images that its index names unpacked, and given their names.
import { randomBytes } from 'node:crypto'
import { Failure } from '../../base/failure.ts'
import { type ArchiveBlobs, importArchive, UNCOMPRESSED_LABEL } from '../../image/archive/import-archive.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { type Digest, digestOf, parseDigest } from '../../oci/digest.ts'
import { isManifestType } from '../../oci/media-type.ts'
import { ImageContent } from './image-content.ts'
import { isAnyLayer, isKnownConfig } from './ingest-ref.ts'
import { cancelled } from './named-stream.ts'
import type { StoreEnd } from './store-end.ts'
import type { ImportEnd } from './stream-ends.ts'
import { together } from './together.ts'
import type { TransferCall } from './transfer-call.ts'
import { isForLinux, unpackImage } from './unpack-image.ts'

const DEPTH_MAX = 8
const BLOBS_MAX = 20_000

export async function importImages(call: TransferCall, source: ImportEnd, store: StoreEnd): Promise<void> {
  const { report, signal } = call
  report('Importing')
  const content = new ImageContent(call)
  const index = await importArchive(source.bytes(), archiveBlobs(call, content), {
    compressLayers: source.compressLayers,
    signal,
  })
  const images = await new ImportedTree(call, content, store).walk(index)
  await save(call, store, index, images)
  report('Completed import')
}

/** The index itself under the name that was asked for, if any, and its images under those that their annotations give. */
async function save(
  call: TransferCall,
  store: StoreEnd,
  index: Descriptor,
  images: readonly Descriptor[],
): Promise<void> {
  const named = [
    { descriptor: index, names: store.wholeNames(index) },
    ...images.map((descriptor) => ({ descriptor, names: store.annotatedNames(descriptor) })),
  ]
  for (const { descriptor, names } of named) {
    if (names.length === 0) continue
    for (const { name } of await store.save(call, descriptor, names)) call.report('saved', { name, descriptor })
  }
}

/** Walks what has been stored, lets the collector find it, and unpacks what the store wants unpacked. */
class ImportedTree {
  readonly #call: TransferCall
  readonly #content: ImageContent
  readonly #store: StoreEnd
  readonly #snapshotters: readonly string[]
  readonly #seen = new Set<Digest>()

  constructor(call: TransferCall, content: ImageContent, store: StoreEnd) {
    this.#call = call
    this.#content = content
    this.#store = store
    this.#snapshotters = store.snapshotters(call)
  }

  /** All of the index's own entries, those of other platforms too. */
  async walk(index: Descriptor): Promise<Descriptor[]> {
    const entries = await this.#content.children(index)
    await this.#walk(index, 0)
    if (this.#store.fitting(entries).length === 0) throw new Failure('unknown', 'image might be filtered out')
    return entries
  }

  async #walk(descriptor: Descriptor, depth: number): Promise<void> {
    const { digest, mediaType } = descriptor
    if (depth > DEPTH_MAX || this.#seen.size > BLOBS_MAX)
      throw new Failure('resource-exhausted', 'archive of too many parts: resource exhausted')
    if (this.#call.signal.aborted) throw cancelled(this.#call.signal)
    if (this.#seen.has(digest)) return
    this.#seen.add(digest)
    const all = await this.#content.children(descriptor)
    this.#content.labelChildren(descriptor, all)
    const children = this.#store.select(descriptor, all)
    for (const child of children) await this.#walk(child, depth + 1)
    if (isManifestType(mediaType)) await this.#unpack(children)
  }

  async #unpack(children: readonly Descriptor[]): Promise<void> {
    const layers = children.filter(({ mediaType }) => isAnyLayer(mediaType))
    const config = children.find(({ mediaType }) => isKnownConfig(mediaType))
    if (config === undefined || layers.length === 0) return
    if (this.#snapshotters.length === 0 || !(await isForLinux(this.#content, config))) return
    const { signal } = this.#call
    await together(this.#snapshotters, signal, (snapshotter, both) =>
      unpackImage({ ...this.#call, signal: both }, this.#content, {
        config,
        layers,
        snapshotter,
        fetched: async ({ digest }) => this.#require(digest),
        extracting() {},
        extracted() {},
      }),
    )
  }

  #require(digest: Digest): void {
    if (!this.#content.has(digest)) throw new Failure('not-found', `content digest ${digest}: not found`)
  }
}

function archiveBlobs(call: TransferCall, content: ImageContent): ArchiveBlobs {
  // Of this import alone: another may be reading an archive of the same names.
  const mark = randomBytes(6).toString('hex')
  return {
    async store({ name, size, expected }, bytes) {
      const stored = await content.write({ ref: `tar-${mark}-${name}`, expected, sizeBytes: size }, bytes)
      return stored.digest
    },
    async write(mediaType, source, labels = {}) {
      const isBytes = source instanceof Uint8Array
      const expected = isBytes ? digestOf(source) : undefined
      const ref = `made-${mark}-${randomBytes(6).toString('hex')}`
      const { digest } = await content.write(
        { ref, expected, sizeBytes: isBytes ? source.length : undefined, labels },
        isBytes ? once(source) : source,
      )
      return { mediaType, digest, size: content.size(digest) }
    },
    readStart: (digest, sizeMax) => content.readStart(digest, sizeMax),
    stream: (digest) => content.stream(digest),
    findPacked(diffId) {
      const [found] = call.deps.content.list(call.namespace, [`labels."${UNCOMPRESSED_LABEL}"==${diffId}`])
      return found === undefined ? undefined : { digest: parseDigest(found.digest), size: Number(found.size) }
    },
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
