// Where a content store keeps its files, for itself and for whoever works on the same host.
//
//   <directory>/blobs/<algorithm>/<hex>                whole and verified, mode 0444
//   <directory>/ingest/<hash>/{data,record.json}       on its way; the hash is of namespace and ref
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Digest, splitDigest } from '../../oci/digest.ts'

export function blobPathIn(directory: string, digest: Digest): string {
  const { algorithm, hex } = splitDigest(digest)
  return join(directory, 'blobs', algorithm, hex)
}

/** Refs are anything a client likes; the directory's name gives none of it to the file system. */
export function ingestDirectoryIn(directory: string, namespace: string, ref: string): string {
  return join(directory, 'ingest', createHash('sha256').update(`${namespace}\0${ref}`).digest('hex'))
}
