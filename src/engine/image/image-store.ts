// The images of this engine. Kept by containerd (image records and content); this is the engine's view of them.
import type { ContainerdClient } from '../../containerd/client/client.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ImageConfig } from '../../oci/parse-image-config.ts'

/** What an image is, whatever its names: it never changes. */
export interface ImageContent {
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
}

/** One image: a configuration and its layers, whatever number of names it has. A value; a change of names makes a new one. */
export interface Image extends ImageContent {
  /** containerd's names of it, in full: `docker.io/library/busybox:latest`, or `…@sha256:…`, or one that only keeps it. */
  readonly recordNames: readonly string[]
  /** What each of the names points at: one configuration may be packed in several ways. */
  readonly contents: ReadonlyMap<string, ImageContent>
  /** Familiar: `busybox:latest`. Sorted; empty for an image that has lost its tags. */
  readonly repoTags: readonly string[]
  /** Familiar: `busybox@sha256:…`. Sorted. */
  readonly repoDigests: readonly string[]
  /** When a name was last made to point at it; milliseconds since the epoch. */
  readonly taggedAtMs: number
}

export interface ImageStore {
  /** By reference, digest, id or unique prefix of an id. Throws not-found with Docker's text: `No such image: nope:latest`. */
  require(name: string): Promise<Image>
  /** Undefined also for what can't be a name. */
  find(name: string): Promise<Image | undefined>
  /** Newest first. */
  list(): Promise<readonly Image[]>
  /** Bytes of the unpacked layers. */
  sizeBytes(image: ImageContent): Promise<number>
  /** Bytes of one layer, by its chain id; undefined where it is not unpacked. */
  layerSizeBytes(chainId: Digest): Promise<number | undefined>
  /** Lets a name point at an image; one that thereby loses its last name stays, nameless. By a lease's client it is on the disk when the lease ends. */
  tag(image: ImageContent, recordName: string, client?: ContainerdClient): Promise<void>
  /** Lets all tags that point at `from` point at the same image packed otherwise. What has gone meanwhile stays gone. */
  repack(from: ImageContent, to: ImageContent): Promise<void>
  /** Lets all names of an image that mean one manifest of its index mean another of it. */
  choose(from: ImageContent, to: ImageContent): Promise<void>
  /** Removes names of the image. With its last one go, in time, its snapshots and content; `keep` leaves it, nameless. */
  untag(image: Image, recordNames: readonly string[], options?: { keep: boolean }): Promise<void>
}
