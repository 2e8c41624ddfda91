// An upload's life: begun, filled in order, finished as a blob of a repository or cancelled.
import { isFailure } from '../../../base/failure.ts'
import type { Digest } from '../../../oci/digest.ts'
import { ApiError } from '../api-error.ts'
import { failpoint } from '../failpoints.ts'
import { newUploadId, type RepositoryName, type UploadId } from '../names.ts'
import { linkWithinQuota, requireRoom, withinRoom } from '../policy/quota.ts'
import type { Registry } from '../registry.ts'
import type { OnStored, UploadState } from '../storage/store.ts'
import { holdBlob } from './hold-blob.ts'

/** A collector would have to remove the blob between promotion and link that often. */
const PROMOTIONS_MAX = 5

export async function beginUpload(registry: Registry, name: RepositoryName): Promise<UploadId> {
  const id = newUploadId()
  await registry.store.createUpload(name, id)
  failpoint('upload.created')
  return id
}

/** Throws BLOB_UPLOAD_UNKNOWN. */
export async function requireUpload(registry: Registry, name: RepositoryName, id: UploadId): Promise<UploadState> {
  const state = await registry.store.statUpload(name, id)
  if (state === undefined) throw new ApiError('BLOB_UPLOAD_UNKNOWN')
  return state
}

/**
 * Takes bytes at `offset`, or where the upload ends without one. Throws RANGE_INVALID, with where to go on, for another place. What has
 * come before a connection broke stays, to be gone on from.
 */
export function receiveBytes(
  registry: Registry,
  upload: { name: RepositoryName; id: UploadId },
  offset: number | undefined,
  source: AsyncIterable<Uint8Array>,
  onStored?: OnStored,
): Promise<number> {
  const { name, id } = upload
  return registry.uploads.run(id, async () => {
    const { size } = await requireUpload(registry, name, id)
    const at = offset ?? size
    if (at !== size) throw outOfOrder(size)
    const bounded = withinRoom(registry, name, at, source)
    try {
      const end = await registry.store.appendUpload(name, id, at, registry.hashes.watch(id, at, bounded), onStored)
      failpoint('upload.appended')
      return end
    } catch (error) {
      // What was hashed is not what is stored: on another node somebody else may have been first.
      if (isFailure(error)) registry.hashes.forget(id)
      if (isFailure(error, 'out-of-range')) throw outOfOrder(size)
      if (isFailure(error, 'not-found')) throw new ApiError('BLOB_UPLOAD_UNKNOWN')
      throw error
    }
  })
}

/** Makes the upload a blob of the repository; after a wrong digest (DIGEST_INVALID) it is still there. Gives the size. */
export function finishUpload(
  registry: Registry,
  upload: { name: RepositoryName; id: UploadId },
  digest: Digest,
): Promise<number> {
  const { name, id } = upload
  const { store, hashes } = registry
  return registry.uploads.run(id, async () => {
    try {
      const { size } = await requireUpload(registry, name, id)
      if (!(await hashes.verify(store, { name, id, size }, digest)))
        throw new ApiError('DIGEST_INVALID', { detail: { digest, reason: 'the uploaded bytes have another digest' } })
      failpoint('upload.verified')
      await promote(registry, upload, digest, size)
      failpoint('upload.held')
      hashes.forget(id)
      await store.removeUpload(name, id)
      failpoint('upload.removed')
      return size
    } catch (error) {
      if (isFailure(error, 'not-found')) throw new ApiError('BLOB_UPLOAD_UNKNOWN') // finished or cancelled on another node
      throw error
    }
  })
}

/** The bytes first, then the repository's right to them: a quota is no longer held up than a link takes. */
async function promote(
  registry: Registry,
  { name, id }: { name: RepositoryName; id: UploadId },
  digest: Digest,
  size: number,
): Promise<void> {
  const { store, clock } = registry
  for (let tries = 0; ; tries++) {
    if (!(await store.isBlobLinked(name, digest))) await requireRoom(registry, name, size)
    if ((await store.statBlob(digest)) !== size) await store.promoteUpload(name, id, digest, size)
    failpoint('upload.promoted')
    await linkWithinQuota(registry, name, digest, size)
    failpoint('upload.linked')
    if ((await holdBlob(store, digest, clock)) !== undefined) return
    if (tries === PROMOTIONS_MAX) throw new ApiError('UNAVAILABLE', { headers: { 'retry-after': '10' } })
  }
}

export function cancelUpload(registry: Registry, name: RepositoryName, id: UploadId): Promise<void> {
  return registry.uploads.run(id, async () => {
    registry.hashes.forget(id)
    if (!(await registry.store.removeUpload(name, id))) throw new ApiError('BLOB_UPLOAD_UNKNOWN')
  })
}

/**
 * Makes a blob of another repository's one of this, too; `from` undefined is any. False where there is none, or where the caller might not see
 * all: who knows a digest must not get at the content of a repository that he may not read.
 */
export async function mountBlob(
  registry: Registry,
  name: RepositoryName,
  digest: Digest,
  from: RepositoryName | undefined,
): Promise<boolean> {
  const { store, clock, settings } = registry
  const isThere =
    from === undefined
      ? settings.auth.kind === 'none' && (await store.statBlob(digest)) !== undefined
      : await store.isBlobLinked(from, digest)
  if (!isThere) return false
  if (await store.isBlobLinked(name, digest)) return (await holdBlob(store, digest, clock)) !== undefined
  await linkWithinQuota(registry, name, digest, (await store.statBlob(digest)) ?? 0)
  if ((await holdBlob(store, digest, clock)) !== undefined) return true
  await store.unlinkBlob(name, digest)
  return false
}

function outOfOrder(size: number): ApiError {
  return new ApiError('RANGE_INVALID', { detail: { size }, headers: { range: `0-${Math.max(0, size - 1)}` } })
}
