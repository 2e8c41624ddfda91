// Blobs that have their names and may not be on the disk yet: written back together, before the database takes their records in.
import { dirname } from 'node:path'
import { syncDirectory, syncFile } from '../../base/atomic-file.ts'
import type { Digest } from '../../oci/digest.ts'
import { failpoint } from '../failpoints.ts'

export class UnsyncedBlobs {
  readonly #pathOf: (digest: Digest) => string
  /** Each with a mark of its own: a blob can go and come again. */
  readonly #marks = new Map<Digest, symbol>()

  constructor(pathOf: (digest: Digest) => string) {
    this.#pathOf = pathOf
  }

  /** To be told in the turn that records it, when the file has its name. */
  add(digest: Digest): void {
    this.#marks.set(digest, Symbol())
  }

  /** It goes. */
  drop(digest: Digest): void {
    this.#marks.delete(digest)
  }

  /** All that were added so far survive power loss when this resolves. As many at once as the pool has threads; a disk likes it so. */
  async sync(): Promise<void> {
    const marks = [...this.#marks]
    if (marks.length === 0) return
    const paths = marks.map(([digest]) => this.#pathOf(digest))
    await Promise.all(paths.map(syncIfThere))
    await Promise.all([...new Set(paths.map(dirname))].map((directory) => syncDirectory(directory)))
    failpoint('content.synced-later')
    for (const [digest, mark] of marks) if (this.#marks.get(digest) === mark) this.#marks.delete(digest)
  }
}

/** One that has gone has no record any more that could be taken in. */
async function syncIfThere(path: string): Promise<void> {
  try {
    await syncFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
