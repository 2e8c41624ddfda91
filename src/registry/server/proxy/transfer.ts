// A blob on its way from another registry. It is fetched once, whoever asks for it meanwhile; all of them read what has been stored so far,
// each as fast as it can. The last bytes are not given out before the whole has been verified: nobody gets all of a wrong blob.
import { Readable } from 'node:stream'
import type { Digest } from '../../../oci/digest.ts'
import type { RepositoryName, UploadId } from '../names.ts'
import type { ByteRange, RegistryStore } from '../storage/store.ts'

/** Held back until the end. */
const TAIL_BYTES = 64 * 1024
/** To read less at a time than that would cost more than it gains. */
const STEP_BYTES = 256 * 1024

export interface TransferTarget {
  store: RegistryStore
  name: RepositoryName
  digest: Digest
}

/** What whoever fetches tells: where the bytes go, how many there will be, and up to where they can be read. */
export interface TransferProgress {
  begin(upload: UploadId, size: number): void
  stored(size: number): void
}

export class Transfer {
  readonly #target: TransferTarget
  readonly #done: Promise<void>
  #upload: UploadId | undefined
  #size: number | undefined
  #stored = 0
  #isOver = false
  #waiting: (() => void)[] = []

  /** `fetch` resolves when the blob is one of the repository's. */
  constructor(target: TransferTarget, fetch: (progress: TransferProgress) => Promise<void>) {
    this.#target = target
    const progress: TransferProgress = {
      begin: (upload, size) => {
        this.#upload = upload
        this.#size = size
        this.#wake()
      },
      stored: (size) => {
        this.#stored = size
        this.#wake()
      },
    }
    this.#done = fetch(progress).finally(() => {
      this.#isOver = true
      this.#wake()
    })
    this.#done.catch(() => {}) // told to everyone who asks
  }

  /** Resolves when it is known: undefined for a blob that is here by then, as small ones are. Rejects with what went wrong. */
  async size(): Promise<number | undefined> {
    while (!this.#isOver && (this.#size ?? 0) <= TAIL_BYTES) await this.#change()
    if (this.#isOver) await this.#done
    return this.#isOver ? undefined : this.#size
  }

  /** The bytes, once the first of them can be given out. Undefined for a blob that is here by then. Rejects with what went wrong. */
  async open(range: ByteRange): Promise<Readable | undefined> {
    if ((await this.#readableEnd(range.start, range.end)) === 'stored') return undefined
    return Readable.from(this.#read(range), { objectMode: false })
  }

  async *#read({ start, end }: ByteRange): AsyncGenerator<Uint8Array> {
    const { store, name, digest } = this.#target
    for (let at = start; at <= end; ) {
      const readable = await this.#readableEnd(at, end)
      if (readable === 'stored') {
        for await (const part of (await store.readBlob(digest, { start: at, end })) ?? []) {
          at += (part as Buffer).length
          yield part as Buffer
        }
        return
      }
      try {
        for await (const part of await store.readUpload(name, this.#upload!, { start: at, end: readable })) {
          at += (part as Buffer).length
          yield part as Buffer
        }
      } catch {
        await this.#done // the upload goes as soon as the blob is stored, where the rest can be read
      }
    }
  }

  /** The last position that can be read of the upload, once that is worth it; `stored` when the blob is. */
  async #readableEnd(at: number, end: number): Promise<number | 'stored'> {
    for (;;) {
      if (this.#isOver) {
        await this.#done
        return 'stored'
      }
      const last = Math.min(this.#stored, (this.#size ?? 0) - TAIL_BYTES) - 1
      if (last >= at && last >= Math.min(at + STEP_BYTES - 1, end, (this.#size ?? 0) - TAIL_BYTES - 1))
        return Math.min(last, end)
      await this.#change()
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
