// Sizes of blobs that were asked for once: what a digest stands for never changes.
import type { Digest } from '../../../oci/digest.ts'
import type { RegistryStore } from '../storage/store.ts'

/** Some 200 bytes each. */
const KNOWN_MAX = 100_000

export class BlobSizes {
  readonly #store: RegistryStore
  readonly #known = new Map<Digest, number>()

  constructor(store: RegistryStore) {
    this.#store = store
  }

  /** Bytes; 0 for one that is not there, and for one that the collector has removed since perhaps what it had. */
  async of(digest: Digest): Promise<number> {
    const known = this.#known.get(digest)
    if (known !== undefined) return known
    const size = await this.#store.statBlob(digest)
    if (size === undefined) return 0
    const [oldest] = this.#known.keys()
    if (this.#known.size >= KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest)
    this.#known.set(digest, size)
    return size
  }
}
