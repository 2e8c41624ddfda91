// The image store over containerd: its image records, its content, its snapshots' sizes.
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt'
import type { Clock } from '../../base/clock.ts'
import { isFailure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { Mutex } from '../../base/mutex.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import type { Image as ImageRecord } from '../../gen/services/images_pb.ts'
import type { Descriptor as DescriptorMessage } from '../../gen/types/descriptor_pb.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { type Digest, parseDigest } from '../../oci/digest.ts'
import { SNAPSHOTTER } from '../container/tasks.ts'
import { findImage, noSuchImage } from './find-image.ts'
import { danglingName, isDanglingName, repoDigestsOf, repoTagsOf } from './image-names.ts'
import type { Image, ImageContent, ImageStore } from './image-store.ts'
import { readImage } from './read-image.ts'
import { unpackedBy } from './unpack-later.ts'
import { watchImageChanges } from './watch-image-changes.ts'

/** On an image record: which manifest of the index was pulled last, and so is meant by the name. */
const MANIFEST_LABEL = 'berth.image.manifest'
/** On one whose target was packed otherwise since: when it was tagged, as RFC 3339. containerd tells of the last change. */
const TAGGED_LABEL = 'berth.image.tagged'

export interface OpenImageStore extends ImageStore {
  /** Ends the subscription. */
  close(): void
}

export function openImageStore(client: ContainerdClient, log: Log, clock: Clock): OpenImageStore {
  return new ContainerdImageStore(client, log, clock)
}

class ContainerdImageStore implements OpenImageStore {
  readonly #client: ContainerdClient
  readonly #log: Log
  readonly #clock: Clock
  readonly #contents = new Map<string, Promise<ImageContent>>()
  readonly #layerSizes = new Map<Digest, number>()
  readonly #closing = new AbortController()
  /** What a name points at is read and then changed: nobody changes it in between. */
  readonly #naming = new Mutex()
  /** Dropped at every change; kept only while containerd tells us of changes. */
  #images: Promise<readonly Image[]> | undefined
  #isWatching = false

  constructor(client: ContainerdClient, log: Log, clock: Clock) {
    this.#client = client
    this.#log = log
    this.#clock = clock
    const watch = watchImageChanges(client, clock, this.#closing.signal, (isWatching) => {
      this.#isWatching = isWatching
      this.#images = undefined
    })
    watch.catch((error) => log.warn('image changes of other programs are not followed', { error: messageOf(error) }))
  }

  close(): void {
    this.#closing.abort()
  }

  async list(): Promise<readonly Image[]> {
    const known = this.#images
    if (known) return await known
    const images = this.#load()
    if (this.#isWatching) {
      this.#images = images
      images.catch(() => {
        if (this.#images === images) this.#images = undefined
      })
    }
    return await images
  }

  async find(name: string): Promise<Image | undefined> {
    try {
      return findImage(await this.list(), name)
    } catch (error) {
      if (isFailure(error, 'invalid-argument')) return undefined
      throw error
    }
  }

  async require(name: string): Promise<Image> {
    const image = findImage(await this.list(), name)
    if (!image) throw noSuchImage(name)
    return image
  }

  async sizeBytes(image: ImageContent): Promise<number> {
    const sizes = await Promise.all(image.chainIds.map((chainId) => this.layerSizeBytes(chainId)))
    return sizes.reduce<number>((sum, size, i) => sum + (size ?? image.layers[i]?.size ?? 0), 0)
  }

  async layerSizeBytes(chainId: Digest): Promise<number | undefined> {
    const known = this.#layerSizes.get(chainId)
    if (known !== undefined) return known
    try {
      await unpackedBy(chainId)
      const { size } = await this.#client.snapshots.usage({ snapshotter: SNAPSHOTTER, key: chainId })
      this.#layerSizes.set(chainId, Number(size))
      return Number(size)
    } catch (error) {
      if (isFailure(error, 'not-found')) return undefined
      throw error
    }
  }

  async tag(image: ImageContent, recordName: string, client = this.#client): Promise<void> {
    await this.#naming.run(() => this.#tag(image, recordName, client))
  }

  async #tag(image: ImageContent, recordName: string, client: ContainerdClient): Promise<void> {
    const before = (await this.list()).find((other) => other.recordNames.includes(recordName))
    // Kept before its name goes, so that no collection in between finds it without one.
    if (before && before.target.digest !== image.target.digest && before.recordNames.length === 1)
      await this.#put(danglingName(before.target.digest), before)
    await this.#put(recordName, image, client)
    if (!isDanglingName(recordName)) await this.#delete(danglingName(image.target.digest))
    this.#images = undefined
  }

  async repack(from: ImageContent, to: ImageContent): Promise<void> {
    await this.#naming.run(() => this.#repack(from, to))
  }

  async #repack(from: ImageContent, to: ImageContent): Promise<void> {
    const image = (await this.list()).find(({ id }) => id === from.id)
    if (image === undefined) return
    for (const [name, { target }] of image.contents) {
      if (target.digest !== from.target.digest || name.includes('@')) continue // a digest in a name is the target's
      const record = this.#recordOf(name, to)
      record.labels[TAGGED_LABEL] = new Date(image.taggedAtMs).toISOString()
      try {
        await this.#client.images.update({ image: record, updateMask: { paths: ['target', 'labels'] } })
      } catch (error) {
        if (!isFailure(error, 'not-found')) throw error
      }
    }
    this.#images = undefined
  }

  async choose(from: ImageContent, to: ImageContent): Promise<void> {
    await this.#naming.run(async () => {
      const image = (await this.list()).find(({ id }) => id === from.id)
      for (const [name, { target, manifest }] of image?.contents ?? [])
        if (target.digest === from.target.digest && manifest.digest === from.manifest.digest) await this.#put(name, to)
      this.#images = undefined
    })
  }

  async untag(image: Image, recordNames: readonly string[], options = { keep: false }): Promise<void> {
    const isLast = image.recordNames.every((name) => recordNames.includes(name))
    if (isLast && options.keep) await this.#put(danglingName(image.target.digest), image)
    for (const name of recordNames) await this.#delete(name)
    this.#images = undefined
  }

  #recordOf(name: string, { target, manifest }: ImageContent) {
    const now = timestampFromMs(this.#clock.now())
    const { mediaType, digest, size } = target
    return {
      ...{ name, createdAt: now, updatedAt: now },
      target: { mediaType, digest, size: BigInt(size) },
      labels: { [MANIFEST_LABEL]: manifest.digest } as Record<string, string>,
    }
  }

  async #put(name: string, image: ImageContent, client = this.#client): Promise<void> {
    const record = this.#recordOf(name, image)
    try {
      await client.images.create({ image: record })
    } catch (error) {
      if (!isFailure(error, 'already-exists')) throw error
      await client.images.update({ image: record, updateMask: { paths: ['target', 'labels'] } })
    }
  }

  async #delete(name: string): Promise<void> {
    try {
      await this.#client.images.delete({ name, sync: false })
    } catch (error) {
      if (!isFailure(error, 'not-found')) throw error
    }
  }

  async #load(): Promise<readonly Image[]> {
    const { images: records } = await this.#client.images.list({ filters: [] })
    const read = await Promise.all(records.map(async (record) => ({ record, content: await this.#content(record) })))
    const groups = new Map<Digest, NamedContent[]>()
    for (const { record, content } of read) {
      if (!content) continue
      const group = groups.get(content.id)
      if (group) group.push({ record, content })
      else groups.set(content.id, [{ record, content }])
    }
    this.#forgetContents(records)
    return [...groups.values()].map(makeImage).sort(newestFirst)
  }

  /** Undefined, with a warning, for a record that no image can be made of: another program's, or of another platform alone. */
  async #content(record: ImageRecord): Promise<ImageContent | undefined> {
    if (!record.target) return undefined
    const key = contentKey(record)
    const reading =
      this.#contents.get(key) ?? readImage(this.#client, toDescriptor(record.target), record.labels[MANIFEST_LABEL])
    this.#contents.set(key, reading)
    try {
      return await reading
    } catch (error) {
      this.#contents.delete(key)
      if (!isFailure(error, 'not-found', 'invalid-argument', 'data-loss', 'resource-exhausted')) throw error
      this.#log.warn('image record is not usable', { name: record.name, error: messageOf(error) })
      return undefined
    }
  }

  #forgetContents(records: readonly ImageRecord[]): void {
    const used = new Set(records.map(contentKey))
    for (const key of this.#contents.keys()) if (!used.has(key)) this.#contents.delete(key)
  }
}

function contentKey(record: ImageRecord): string {
  return `${record.target?.digest}/${record.labels[MANIFEST_LABEL] ?? ''}`
}

interface NamedContent {
  record: ImageRecord
  content: ImageContent
}

function makeImage(named: readonly NamedContent[]): Image {
  const records = named.map(({ record }) => record)
  const names = records.map((record) => record.name).sort()
  const { content } = named[0]!
  return {
    ...content,
    recordNames: names,
    contents: new Map(named.map((one) => [one.record.name, one.content])),
    repoTags: repoTagsOf(names),
    repoDigests: repoDigestsOf(names, content.target.digest),
    taggedAtMs: Math.max(...records.map(taggedAtMs)),
  }
}

function taggedAtMs({ labels, updatedAt }: ImageRecord): number {
  return Date.parse(labels[TAGGED_LABEL] ?? '') || (updatedAt ? timestampMs(updatedAt) : 0)
}

function newestFirst(a: Image, b: Image): number {
  const [left, right] = [a, b].map(({ config }) => Date.parse(config.created ?? '') || 0) as [number, number]
  return right - left || (a.id < b.id ? -1 : 1)
}

function toDescriptor({ mediaType, digest, size }: DescriptorMessage): Descriptor {
  return { mediaType, digest: parseDigest(digest), size: Number(size) }
}
