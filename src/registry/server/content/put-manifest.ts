// A manifest arrives: read as a stranger's, checked against what the repository holds, written, and checked again.
import { isFailure, messageOf } from '../../../base/failure.ts'
import type { Descriptor } from '../../../oci/descriptor.ts'
import { type Digest, digestOf } from '../../../oci/digest.ts'
import { type Index, type Manifest, parseManifestOrIndex } from '../../../oci/parse-manifest.ts'
import { ApiError } from '../api-error.ts'
import { failpoint } from '../failpoints.ts'
import type { RepositoryName, Tag } from '../names.ts'
import { requireTaggable, tagManifest } from '../policy/immutable-tags.ts'
import type { Registry } from '../registry.ts'
import { readManifest } from './find-manifest.ts'
import { holdBlob } from './hold-blob.ts'

export interface PutManifest {
  name: RepositoryName
  bytes: Buffer
  /** As the request's Content-Type names it; may be empty. */
  mediaType: string
  /** Verified against the bytes by the caller. */
  digest: Digest
  tags: readonly Tag[]
}

/**
 * Written first and verified after: a collector that has not seen the manifest has not yet removed what it needs, or is seen here. A
 * manifest whose parts are not (or no longer) there is not kept. Throws MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN.
 */
export async function putManifest(registry: Registry, put: PutManifest): Promise<Manifest | Index> {
  const { name, digest } = put
  const { store, clock } = registry
  const document = parseUpload(put)
  await requireTaggable(registry, name, put.tags, digest)
  await requireParts(registry, name, document)
  failpoint('manifest.checked')
  const isNew = !(await store.isManifestLinked(name, digest))
  await store.writeBlob(digest, put.bytes)
  failpoint('manifest.written')
  await store.linkManifest(name, digest, document.subject?.digest)
  failpoint('manifest.linked')
  try {
    // A collector that had claimed the manifest's own bytes is done by then: they are written again.
    if ((await holdBlob(store, digest, clock)) === undefined) await store.writeBlob(digest, put.bytes)
    await requireParts(registry, name, document)
  } catch (error) {
    if (isNew) await store.unlinkManifest(name, digest, document.subject?.digest)
    throw error
  }
  failpoint('manifest.held')
  for (const tag of put.tags) await tagManifest(registry, name, tag, digest)
  failpoint('manifest.tagged')
  return document
}

function parseUpload({ bytes, mediaType }: PutManifest): Manifest | Index {
  try {
    const document = parseManifestOrIndex(bytes, mediaType)
    // It is given out as what it says of itself.
    const own = parseManifestOrIndex(bytes, '').mediaType
    if (own === document.mediaType) return document
    throw new ApiError('MANIFEST_INVALID', { detail: `announced as ${mediaType}, but it is ${own}` })
  } catch (error) {
    if (!isFailure(error)) throw error
    throw new ApiError('MANIFEST_INVALID', { detail: messageOf(error) })
  }
}

/** Every part is the repository's own; holding it keeps a collector away. */
async function requireParts(registry: Registry, name: RepositoryName, document: Manifest | Index): Promise<void> {
  if (!registry.settings.validation) return
  const parts = document.kind === 'index' ? document.manifests : [document.config, ...document.layers.filter(isKept)]
  const digests = [...new Set(parts.map(({ digest }) => digest))]
  const missing: Digest[] = []
  for (const digest of digests) if (!(await hasPart(registry, name, document.kind, digest))) missing.push(digest)
  const [first] = missing
  if (first !== undefined) throw new ApiError('MANIFEST_BLOB_UNKNOWN', { detail: { digest: first, missing } })
}

async function hasPart(registry: Registry, name: RepositoryName, kind: 'index' | 'manifest', digest: Digest) {
  const { store, clock } = registry
  if (kind === 'index' && (await store.isManifestLinked(name, digest))) return holdManifest(registry, name, digest)
  // Build caches are indexes of layers.
  return (await store.isBlobLinked(name, digest)) && (await holdBlob(store, digest, clock)) !== undefined
}

/** With all that it needs: a manifest without a tag may be condemned together with its layers. */
async function holdManifest(registry: Registry, name: RepositoryName, root: Digest): Promise<boolean> {
  const { store, clock } = registry
  const seen = new Set<Digest>()
  const queue = [root]
  for (let digest = queue.pop(); digest !== undefined; digest = queue.pop()) {
    if (seen.has(digest)) continue
    seen.add(digest)
    if ((await holdBlob(store, digest, clock)) === undefined) return false
    const document = (await readManifest(store, name, digest))?.document
    if (document === undefined) continue
    const parts = document.kind === 'index' ? document.manifests : [document.config, ...document.layers.filter(isKept)]
    queue.push(...parts.map((part) => part.digest))
  }
  return true
}

/** Layers that may not be distributed, or that have addresses of their own, are not pushed. */
function isKept({ mediaType, urls }: Descriptor): boolean {
  return !/\.foreign\.|\.nondistributable\./.test(mediaType) && (urls === undefined || urls.length === 0)
}

/** Of the algorithm that the request asked for. */
export function isDigestOf(bytes: Uint8Array, digest: Digest): boolean {
  return digestOf(bytes, digest.startsWith('sha512:') ? 'sha512' : 'sha256') === digest
}
