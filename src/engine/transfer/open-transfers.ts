// Transfers that are under way: each holds what has come and what was here, until its image has a name or nobody comes any more.
import { randomBytes } from 'node:crypto'
import { Failure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Lease } from '../image/lease.ts'

const IDLE_MS_MAX = 10 * 60_000
const TRANSFERS_MAX = 100

interface Transfer {
  lease: Lease
  blobs: ReadonlyMap<Digest, Descriptor>
  /** Requests that are at work on it. */
  busy: number
  idle: NodeJS.Timeout | undefined
}

/** Only in memory: after a crash the leases are dropped at start, and a client that goes on is told that it must begin again. */
export class OpenTransfers {
  readonly #transfers = new Map<string, Transfer>()

  /** Throws unavailable where there are too many. */
  checkRoom(): void {
    if (this.#transfers.size >= TRANSFERS_MAX)
      throw new Failure('unavailable', `${TRANSFERS_MAX} transfers are under way already`)
  }

  add(lease: Lease, blobs: readonly Descriptor[]): string {
    const id = randomBytes(16).toString('hex')
    const known = new Map(blobs.map((blob) => [blob.digest, blob]))
    const transfer: Transfer = { lease, blobs: known, busy: 0, idle: undefined }
    this.#transfers.set(id, transfer)
    this.#wait(id, transfer)
    return id
  }

  /** It does not time out while the work goes on. */
  async use<T>(id: string, work: (lease: Lease, blobs: Transfer['blobs']) => Promise<T>): Promise<T> {
    const transfer = this.#transfers.get(id)
    if (transfer === undefined) throw new Failure('not-found', `No such transfer: ${id}`)
    clearTimeout(transfer.idle)
    transfer.busy++
    try {
      return await work(transfer.lease, transfer.blobs)
    } finally {
      transfer.busy--
      if (transfer.busy === 0) this.#wait(id, transfer)
    }
  }

  async end(id: string): Promise<void> {
    const transfer = this.#transfers.get(id)
    if (transfer === undefined) return
    clearTimeout(transfer.idle)
    this.#transfers.delete(id)
    await transfer.lease[Symbol.asyncDispose]()
  }

  #wait(id: string, transfer: Transfer): void {
    if (!this.#transfers.has(id)) return
    // Should containerd be away at this moment, the lease's own time ends it.
    transfer.idle = setTimeout(() => void this.end(id).catch(() => {}), IDLE_MS_MAX).unref()
  }
}
