// Hashes of uploads in progress. Node can't save the state of one, so that it is kept in the process; after a restart, or on another node,
// the bytes are read again.
import { createHash, type Hash } from 'node:crypto'
import { type Digest, splitDigest } from '../../../oci/digest.ts'
import type { RepositoryName, UploadId } from '../names.ts'
import type { RegistryStore } from '../storage/store.ts'

interface Running {
  hash: Hash
  /** Bytes that went through it. */
  size: number
}

/** An abandoned upload's hash goes when so many newer ones are there; a late client costs a reading of the file. */
const RUNNING_MAX = 1024

export class UploadHashes {
  readonly #running = new Map<UploadId, Running>()

  /** Passes the bytes through and hashes them, if the hash of all before them is here. */
  async *watch(id: UploadId, offset: number, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const running = offset === 0 ? { hash: createHash('sha256'), size: 0 } : this.#running.get(id)
    this.#running.delete(id)
    if (running === undefined || running.size !== offset) return yield* source
    this.#running.set(id, running)
    const [oldest] = this.#running.keys()
    if (this.#running.size > RUNNING_MAX && oldest !== undefined) this.#running.delete(oldest)
    for await (const part of source) {
      running.hash.update(part)
      running.size += part.length
      yield part
    }
  }

  /** Whether all `size` bytes of the upload have this digest. Its hash is used up. */
  async verify(
    store: RegistryStore,
    upload: { name: RepositoryName; id: UploadId; size: number },
    digest: Digest,
  ): Promise<boolean> {
    const { algorithm, hex } = splitDigest(digest)
    const running = this.#running.get(upload.id)
    if (algorithm === 'sha256' && running?.size === upload.size) return running.hash.copy().digest('hex') === hex
    const hash = createHash(algorithm)
    for await (const part of await store.readUpload(upload.name, upload.id)) hash.update(part as Buffer)
    return hash.digest('hex') === hex
  }

  forget(id: UploadId): void {
    this.#running.delete(id)
  }
}
