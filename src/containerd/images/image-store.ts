// Images: names for content.
import { create } from '@bufbuild/protobuf'
import { TimestampSchema } from '@bufbuild/protobuf/wkt'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Slices } from '../../base/slices.ts'
import { ImageCreateSchema, ImageDeleteSchema, ImageUpdateSchema } from '../../gen/events/image_pb.ts'
import { type Image, ImageSchema } from '../../gen/services/images_pb.ts'
import { parseDigest } from '../../oci/digest.ts'
import { type EventExchange, timestampNow } from '../events/event-exchange.ts'
import { lookupIn, parseFilters } from '../filters/parse-filter.ts'
import { messageCodec } from '../metadata/codec.ts'
import { applyMask, checkLabels, keptLabels, updateLabel } from '../metadata/labels.ts'
import { type Bucket, type MetadataStore, scanBucket } from '../metadata/metadata-store.ts'
import type { NamespaceStore } from '../namespaces/namespace-store.ts'
import { failpoint } from '../failpoints.ts'

/** Writers resolve once the change survives power loss. */
export class ImageStore {
  readonly #bucket: Bucket<Image>
  readonly #metadata: MetadataStore
  readonly #namespaces: NamespaceStore
  readonly #events: EventExchange

  constructor(metadata: MetadataStore, namespaces: NamespaceStore, events: EventExchange) {
    this.#bucket = metadata.bucket('images', messageCodec(ImageSchema))
    this.#metadata = metadata
    this.#namespaces = namespaces
    this.#events = events
  }

  find(namespace: string, name: string): Image | undefined {
    return this.#bucket.get(`${namespace}/${name}`)
  }

  require(namespace: string, name: string): Image {
    const found = this.find(namespace, name)
    if (found === undefined) throw new Failure('not-found', `image ${JSON.stringify(name)}: not found`)
    return found
  }

  list(namespace: string, filters: readonly string[] = []): Image[] {
    const matches = parseFilters(filters)
    return this.#bucket
      .list(`${namespace}/`)
      .map(([, image]) => image)
      .filter((image) => matches(lookupImage(image)))
  }

  /** Of every namespace, for the collector. */
  scan(slices: Slices): AsyncIterable<[namespace: string, image: Image]> {
    return scanBucket(this.#bucket, slices)
  }

  /** @param leaseId of the call: then it is not waited for the disk, here and below. */
  async create(namespace: string, image: Image, leaseId?: string): Promise<Image> {
    checkImage(image)
    image.labels = keptLabels(image.labels)
    const key = `${namespace}/${image.name}`
    if (this.#bucket.get(key) !== undefined)
      throw new Failure('already-exists', `image ${JSON.stringify(image.name)}: already exists`)
    const now = create(TimestampSchema, timestampNow())
    image.createdAt = now
    image.updatedAt = now
    this.#namespaces.ensure(namespace)
    this.#bucket.put(key, image)
    failpoint('image.created')
    await this.#lasting(leaseId)
    const { name, labels } = image
    this.#events.publish(namespace, '/images/create', ImageCreateSchema, { name, labels })
    return image
  }

  async update(namespace: string, update: Image, paths: readonly string[], leaseId?: string): Promise<Image> {
    const image = this.require(namespace, update.name)
    applyUpdate(image, update, paths)
    checkImage(image)
    image.labels = keptLabels(image.labels)
    image.updatedAt = create(TimestampSchema, timestampNow())
    this.#bucket.put(`${namespace}/${image.name}`, image)
    failpoint('image.updated')
    await this.#lasting(leaseId)
    const { name, labels } = image
    this.#events.publish(namespace, '/images/update', ImageUpdateSchema, { name, labels })
    return image
  }

  /** What is done under a lease is on the disk when the lease has ended. */
  async #lasting(leaseId: string | undefined): Promise<void> {
    if (leaseId === undefined) await this.#metadata.flush()
    else this.#metadata.owe()
  }

  /** @param targetDigest delete only while the name points there. */
  async delete(namespace: string, name: string, targetDigest?: string): Promise<void> {
    const image = this.require(namespace, name)
    if (targetDigest !== undefined && image.target?.digest !== targetDigest)
      throw new Failure(
        'not-found',
        `image ${JSON.stringify(name)} has target ${image.target?.digest}, not ${targetDigest}: not found`,
      )
    this.#bucket.remove(`${namespace}/${name}`)
    failpoint('image.deleted')
    await this.#metadata.flush()
    this.#events.publish(namespace, '/images/delete', ImageDeleteSchema, { name })
  }
}

function applyUpdate(image: Image, update: Image, paths: readonly string[]): void {
  const fields: Record<string, () => void> = {
    labels: () => {
      image.labels = update.labels
    },
    target: () => {
      if (update.target) image.target = update.target
    },
    annotations: () => {
      if (image.target && update.target) image.target.annotations = update.target.annotations
    },
  }
  if (paths.length === 0) {
    fields['labels']!()
    fields['target']!()
  }
  for (const path of paths) {
    const annotation = path.startsWith('annotations.') ? path.slice('annotations.'.length) : undefined
    if (annotation !== undefined && image.target)
      image.target.annotations = updateLabel(
        image.target.annotations,
        annotation,
        update.target?.annotations[annotation],
      )
  }
  applyMask(
    paths.filter((path) => !path.startsWith('annotations.')),
    fields,
    (label) => {
      image.labels = updateLabel(image.labels, label, update.labels[label])
    },
  )
}

function checkImage(image: Image): void {
  if (image.name === '') throw new Failure('invalid-argument', 'image name must not be empty: invalid argument')
  checkLabels('image.Labels', image.labels)
  const { digest = '', size = 0n, mediaType = '' } = image.target ?? {}
  checkTargetDigest(digest)
  if (size <= 0n) throw new Failure('invalid-argument', 'target.Size must be greater than zero: invalid argument')
  if (mediaType === '') throw new Failure('invalid-argument', 'target.MediaType must be set: invalid argument')
}

function checkTargetDigest(digest: string): void {
  try {
    parseDigest(digest)
  } catch (error) {
    const reason = `target.Digest ${JSON.stringify(digest)} invalid: ${messageOf(error)}`
    throw new Failure('invalid-argument', `${reason}: invalid argument`, { cause: error })
  }
}

function lookupImage(image: Image): ReturnType<typeof lookupIn> {
  const { name, target, labels } = image
  const fields = lookupIn({ name, 'target.digest': target?.digest, 'target.mediatype': target?.mediaType }, labels)
  const annotations = lookupIn({}, target?.annotations ?? {})
  return ([head = '', ...rest]) => (head === 'annotations' ? annotations(['labels', ...rest]) : fields([head, ...rest]))
}
