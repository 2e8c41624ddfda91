// Makes a layer of what lies between two lists of mounts, and puts it into the content store.
import { randomBytes } from 'node:crypto'
import { Failure, isFailure, withSubject } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { TarTime } from '../../wire/tar/entry.ts'
import type { ContentStore } from '../content/content-store.ts'
import type { Ingest } from '../content/ingest.ts'
import type { Mount } from '../snapshots/snapshotter.ts'
import type { TreeThreads } from '../trees/tree-threads.ts'
import { compressionOf, DEFAULT_LAYER_TYPE } from './layer-types.ts'
import { type DiffPlan, isTurned, planDiff, planWholeDiff } from './plan-diff.ts'

export interface CreateLayerDeps {
  threads: TreeThreads
  content: ContentStore
}

export interface CreateLayerRequest {
  namespace: string
  leaseId: string | undefined
  left: readonly Mount[]
  right: readonly Mount[]
  /** '' for the default. */
  mediaType: string
  /** The ingest's name; '' for one of its own. */
  ref: string
  labels: Record<string, string>
  sourceDateEpoch: TarTime | undefined
  signal: AbortSignal
}

const UNCOMPRESSED = 'containerd.io/uncompressed'

/** The blob lasts as `ContentStore.commit` says; the namespace may have had it before. A diff that fails or is called off leaves no upload behind, unless its client named one. */
export async function createLayer(deps: CreateLayerDeps, request: CreateLayerRequest): Promise<Descriptor> {
  const { namespace, leaseId, left, right, signal } = request
  const mediaType = request.mediaType === '' ? DEFAULT_LAYER_TYPE : request.mediaType
  const compression = compressionOf(mediaType)
  const ref = request.ref === '' ? `${process.hrtime.bigint()}-${randomBytes(6).toString('hex')}` : request.ref
  const ingest = await deps.content.openIngest({ namespace, ref, totalBytes: 0, expected: undefined, leaseId })
  try {
    const run = async (plan: DiffPlan) => {
      await ingest.truncate() // of what came before, in this attempt or another one
      const { sourceDateEpoch: modifiedMax } = request
      const job = { kind: 'diff', ...plan, compression, modifiedMax, output: ingest.output } as const
      return deps.threads.diff(job, signal)
    }
    let made = await run(planDiff(left, right))
    // A mount of both layers shows either the host's ids or the image's, and here each has its own.
    if (made === 'needs-mount' && isTurned(left, right))
      throw new Failure(
        'failed-precondition',
        'renamed directories of a user namespace are not comparable with layers without it',
      )
    if (made === 'needs-mount') made = await run(planWholeDiff(left, right))
    if (made === 'needs-mount') throw new Failure('internal', 'a whole tree that needs a mount')
    ingest.wrote(made.output)
    const labels = compression === 'none' ? request.labels : { ...request.labels, [UNCOMPRESSED]: made.archive.digest }
    const digest = await commit(deps.content, ingest, labels)
    return { mediaType, digest, size: Number(deps.content.require(namespace, digest).size) }
  } catch (error) {
    if (request.ref === '') await ingest.discard()
    throw isFailure(error, 'cancelled') ? error : withSubject('failed to write diff', error)
  } finally {
    await ingest.close()
  }
}

async function commit(
  content: ContentStore,
  ingest: Ingest,
  labels: Record<string, string>,
): Promise<Descriptor['digest']> {
  const digest = ingest.digest()
  try {
    return await content.commit(ingest, { sizeBytes: 0, digest, labels })
  } catch (error) {
    // The same layer as before, which now has these labels too.
    if (isFailure(error, 'already-exists')) return digest
    throw error
  }
}
