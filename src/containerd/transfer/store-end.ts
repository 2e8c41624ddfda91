// The image store as an end of a transfer: which parts of an image it wants, and under which names it keeps it.
import { create } from '@bufbuild/protobuf'
import { Failure, isFailure } from '../../base/failure.ts'
import { type Image, ImageSchema } from '../../gen/services/images_pb.ts'
import type { ImageReference, ImageStore as StoreMessage } from '../../gen/types/transfer/imagestore_pb.ts'
import { IMAGE_NAME, REF_NAME } from '../../image/archive/image-names.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { isConfigType, isIndexType, isManifestType } from '../../oci/media-type.ts'
import { isSamePlatform } from '../../oci/parse-platform.ts'
import type { Platform } from '../../oci/platform.ts'
import { descriptorMessage } from './progress.ts'
import type { TransferCall } from './transfer-call.ts'

/** For the collector: the image that this one belongs to, and from when on it is nobody's without that one. */
const OWNER_LABEL = 'containerd.io/gc.bref.image'
const EXPIRE_LABEL = 'containerd.io/gc.expire'

export class StoreEnd {
  readonly #message: StoreMessage
  readonly platforms: readonly Platform[]

  constructor(message: StoreMessage) {
    this.#message = message
    this.platforms = message.platforms.map(platformOf)
  }

  get name(): string {
    return this.#message.name
  }

  toString(): string {
    return `Local Image Store (${this.name})`
  }

  /** Where to unpack to, of what the daemon has: by snapshotter. All of them take Linux images, and no others. */
  snapshotters({ deps }: TransferCall): string[] {
    const wanted = this.#message.unpacks.flatMap(({ platform, snapshotter }) => {
      const name = snapshotter === '' ? deps.defaultSnapshotter : snapshotter
      const isSupported = platform?.os === 'linux' && deps.snapshotters.has(name)
      if (!isSupported) deps.log.warn('unpack configuration not supported, skipping', { snapshotter })
      return isSupported ? [name] : []
    })
    return [...new Set(wanted)]
  }

  /** Those of its platforms, and those without one. */
  fitting(descriptors: readonly Descriptor[]): Descriptor[] {
    return descriptors.filter(({ platform }) => this.#wants(platform))
  }

  /** Those of a manifest's or an index's children that this end wants. Throws `not-found` where a limit leaves none. */
  select(parent: Descriptor, children: readonly Descriptor[]): Descriptor[] {
    const { allMetadata, manifestLimit } = this.#message
    const chosen = allMetadata ? this.#selectMetadata(parent, children) : this.fitting(children)
    if (manifestLimit === 0 || !isIndexType(parent.mediaType)) return chosen
    if (chosen.length === 0) throw new Failure('not-found', 'no match for platform in manifest: not found')
    return chosen.sort((a, b) => this.#rank(a) - this.#rank(b)).slice(0, manifestLimit)
  }

  /** Gives the image its names, in place of what had them. Throws `not-found` where it gets none. */
  async save(call: TransferCall, descriptor: Descriptor, names: readonly string[]): Promise<Image[]> {
    if (names.length === 0) throw new Failure('not-found', 'no image name found: not found')
    const saved: Image[] = []
    for (const name of names) saved.push(await this.#saveName(call, name, descriptor))
    return saved
  }

  /** Of what was asked for as a whole. */
  wholeNames({ digest }: Descriptor): string[] {
    const { name, extraReferences } = this.#message
    const extra = extraReferences.flatMap((reference) => {
      if (reference.addDigest) return [`${reference.name}@${digest}`]
      return reference.isPrefix ? [] : [reference.name]
    })
    return [...(name === '' ? [] : [name]), ...extra]
  }

  /** Of an image that an archive's index names by annotations. */
  annotatedNames({ annotations, digest }: Descriptor): string[] {
    return this.#message.extraReferences.flatMap((reference) => {
      if (!reference.isPrefix) return []
      const name = annotatedName(annotations ?? {}, reference)
      const byDigest = `${reference.name}@${digest}`
      if (name === '') return reference.addDigest ? [byDigest] : []
      return reference.addDigest && !reference.skipNamedDigest ? [name, byDigest] : [name]
    })
  }

  /** The one that is named. Throws `not-found`. */
  require({ deps, namespace }: TransferCall): Image {
    return deps.images.require(namespace, this.name)
  }

  /** All that are named, to be exported. Throws `not-found`. */
  lookup(call: TransferCall): Image[] {
    const { name, extraReferences } = this.#message
    const names = extraReferences.map((reference) => {
      if (!reference.isPrefix) return reference.name
      throw new Failure('unimplemented', 'prefix lookup on export not implemented: not implemented')
    })
    return [...(name === '' ? [] : [name]), ...names].map((each) => call.deps.images.require(call.namespace, each))
  }

  #selectMetadata({ mediaType, platform }: Descriptor, children: readonly Descriptor[]): Descriptor[] {
    if (platform === undefined || !isManifestType(mediaType) || this.#wants(platform)) return [...children]
    return children.filter((child) => isConfigType(child.mediaType))
  }

  #wants(platform: Platform | undefined): boolean {
    return (
      platform === undefined || this.platforms.length === 0 || this.platforms.some((p) => isSamePlatform(p, platform))
    )
  }

  #rank({ platform }: Descriptor): number {
    const rank = platform === undefined ? -1 : this.platforms.findIndex((wanted) => isSamePlatform(wanted, platform))
    return rank < 0 ? this.platforms.length : rank
  }

  /** Names besides the one that was asked for live as long as that one. */
  #labelsOf(name: string): Record<string, string> {
    const { labels, name: owner } = this.#message
    if (owner === '' || name === owner) return labels
    return { ...labels, [OWNER_LABEL]: owner, [EXPIRE_LABEL]: new Date().toISOString() }
  }

  async #saveName({ deps, namespace }: TransferCall, name: string, target: Descriptor): Promise<Image> {
    const image = () => create(ImageSchema, { name, target: descriptorMessage(target), labels: this.#labelsOf(name) })
    for (;;) {
      try {
        return await deps.images.create(namespace, image())
      } catch (error) {
        if (!isFailure(error, 'already-exists')) throw error
      }
      try {
        const updated = await deps.images.update(namespace, image(), [])
        deps.collector.schedule() // the old target may be nobody's now
        return updated
      } catch (error) {
        if (!isFailure(error, 'not-found')) throw error // removed in between: once more
      }
    }
  }
}

/** The name that an annotation gives: a whole one as it is, a tag put behind the prefix. '' for none that this reference takes. */
function annotatedName(annotations: Readonly<Record<string, string>>, reference: ImageReference): string {
  const whole = annotations[IMAGE_NAME] ?? ''
  if (whole !== '') return translated(whole, reference) === whole ? whole : ''
  const name = annotations[REF_NAME] ?? ''
  return name === '' ? '' : translated(name, reference)
}

function translated(name: string, { name: prefix, allowOverwrite }: ImageReference): string {
  if (prefix === '') return ''
  if (!/[/:@]/.test(name)) return `${prefix}:${name}`
  return allowOverwrite || beginsWith(name, prefix) ? name : ''
}

/** `example.com/a` begins `example.com/a:1` and `example.com/a/b`, but not `example.com/ab`. */
function beginsWith(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && (name.length === prefix.length || /[/:@]/.test(name[prefix.length]!))
}

export function platformOf(message: { os: string; architecture: string; variant: string }): Platform {
  const { os, architecture, variant } = message
  return { os, architecture, ...(variant === '' ? {} : { variant }) }
}
