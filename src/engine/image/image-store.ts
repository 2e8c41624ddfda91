// The images of this engine. Kept by containerd (image records and content); this is the engine's view of them.
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ImageConfig } from '../../oci/image-config.ts'

/** One image: a configuration and its layers, whatever number of names it has. Immutable; a change of names makes a new value. */
export interface Image {
  /** The digest of the configuration: what Docker's clients print as the image's id. */
  readonly id: Digest
  readonly config: ImageConfig
  /** Name of the committed snapshot of the topmost layer; undefined for an image without layers. */
  readonly chainId: Digest | undefined
  /** Chain ids from the lowest layer up. */
  readonly chainIds: readonly Digest[]
  /** What the names point at: an index or the manifest itself. */
  readonly target: Descriptor
  readonly manifest: Descriptor
  readonly configDescriptor: Descriptor
  readonly layers: readonly Descriptor[]
  /** containerd's names of it, in full: `docker.io/library/busybox:latest`, or `…@sha256:…`, or a name that only keeps it. */
  readonly recordNames: readonly string[]
  /** Familiar: `busybox:latest`. Sorted; empty for an image that has lost its tags. */
  readonly repoTags: readonly string[]
  /** Familiar: `busybox@sha256:…`. Sorted. */
  readonly repoDigests: readonly string[]
}

export interface ImageStore {
  /** By reference, digest, id or unique prefix of an id. Throws not-found with Docker's text: `No such image: nope:latest`. */
  require(name: string): Promise<Image>
  find(name: string): Promise<Image | undefined>
  /** Newest first. */
  list(): Promise<readonly Image[]>
  /** Bytes of the unpacked layers. */
  sizeBytes(image: Image): Promise<number>
  /** Lets a name point at an image; the image that had it stays, nameless. */
  tag(image: Image, recordName: string): Promise<void>
  /** Removes one of the image's names. With its last one go, in time, its snapshots and content. */
  untag(image: Image, recordName: string): Promise<void>
}
