// A manifest of a repository, by tag or digest, with what it says.
import { buffer } from 'node:stream/consumers'
import type { Digest } from '../../../oci/digest.ts'
import { type Index, type Manifest, parseManifestOrIndex } from '../../../oci/parse-manifest.ts'
import { ApiError } from '../api-error.ts'
import type { RepositoryName, Tag } from '../names.ts'
import type { RegistryStore } from '../storage/store.ts'

export interface FoundManifest {
  digest: Digest
  mediaType: string
  bytes: Buffer
  document: Manifest | Index
}

/** Throws MANIFEST_UNKNOWN. */
export async function findManifest(
  { store }: { store: RegistryStore },
  name: RepositoryName,
  reference: { digest: Digest } | { tag: Tag },
): Promise<FoundManifest> {
  const digest = 'digest' in reference ? reference.digest : await store.readTag(name, reference.tag)
  const found = digest === undefined ? undefined : await readManifest(store, name, digest)
  if (found === undefined) throw new ApiError('MANIFEST_UNKNOWN', { detail: { name, ...reference } })
  return found
}

/** Undefined where the repository has no such manifest. */
export async function readManifest(
  store: RegistryStore,
  name: RepositoryName,
  digest: Digest,
): Promise<FoundManifest | undefined> {
  if (!(await store.isManifestLinked(name, digest))) return undefined
  const stream = await store.readBlob(digest)
  if (stream === undefined) return undefined
  const bytes = await buffer(stream)
  // The type that it was put with is that of the document itself: nothing else was taken.
  const document = parseManifestOrIndex(bytes, '')
  return { digest, bytes, document, mediaType: document.mediaType }
}
