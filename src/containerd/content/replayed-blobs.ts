// Blobs whose records only the journal has: power loss may have kept the record and not the bytes. Those that are whole are made to last,
// the others are as if they had never come; nobody was told that they would stay.
import { createHash } from 'node:crypto'
import { createReadStream, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { syncDirectory, syncFile } from '../../base/atomic-file.ts'
import { parseDigest, splitDigest } from '../../oci/digest.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'

/** To be run before the database takes in what was replayed. @param root the content store's. @returns `<namespace>/<digest>` of those that are gone. */
export async function settleReplayedBlobs(metadata: MetadataStore, root: string): Promise<ReadonlySet<string>> {
  const records = metadata.bucket('content', { encode: (bytes: Uint8Array) => bytes, decode: (bytes) => bytes })
  const directories = new Set<string>()
  const gone = new Set<string>()
  for (const key of metadata.newKeys('content')) {
    const { algorithm, hex } = splitDigest(parseDigest(key.slice(key.indexOf('/') + 1)))
    const path = join(root, 'blobs', algorithm, hex)
    if (await isWhole(path, algorithm, hex)) {
      await syncFile(path)
      directories.add(dirname(path))
    } else {
      records.remove(key)
      gone.add(key)
      rmSync(path, { force: true })
    }
  }
  for (const directory of directories) await syncDirectory(directory)
  return gone
}

async function isWhole(path: string, algorithm: string, hex: string): Promise<boolean> {
  const hash = createHash(algorithm)
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
  return hash.digest('hex') === hex
}
