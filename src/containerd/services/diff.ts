// containerd.services.diff.v1: layers to file systems and back.
import { Failure, withSubject } from '../../base/failure.ts'
import type { Diff } from '../../gen/services/diff_pb.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { type Digest, parseDigest } from '../../oci/digest.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'
import type { ContentStore } from '../content/content-store.ts'
import { applyLayer } from '../diff/apply-layer.ts'
import { createLayer } from '../diff/create-layer.ts'
import { mayBeCompressed } from '../diff/layer-types.ts'
import type { LayerWorkers } from '../diff/layer-workers.ts'
import type { TreeThreads } from '../trees/tree-threads.ts'
import { leaseOf, namespaceOf } from './call-namespace.ts'

export interface DiffServiceDeps {
  workers: LayerWorkers
  threads: TreeThreads
  content: ContentStore
}

export function createDiffService(deps: DiffServiceDeps): ServiceHandlers<typeof Diff> {
  return {
    async apply(request, context) {
      const namespace = namespaceOf(context)
      if (!request.diff) throw new Failure('invalid-argument', 'diff descriptor is required: invalid argument')
      const { mediaType, digest, size } = request.diff
      const diff: Descriptor = { mediaType, digest: parseDigest(digest), size: Number(size) }
      const applied = await applyLayer(deps.workers, {
        diff,
        blobPath: blobPathOf(deps.content, namespace, diff.digest),
        mayBeCompressed: mayBeCompressed(mediaType),
        mounts: request.mounts,
        syncFs: request.syncFs,
        signal: context.signal,
      })
      return { applied: { ...applied, size: BigInt(applied.size) } }
    },
    async diff(request, context) {
      const { left, right, mediaType, ref, labels, sourceDateEpoch: epoch } = request
      const made = await createLayer(deps, {
        namespace: namespaceOf(context),
        leaseId: leaseOf(context),
        left,
        right,
        mediaType,
        ref,
        labels,
        sourceDateEpoch: epoch && { seconds: Number(epoch.seconds), nanos: epoch.nanos },
        signal: context.signal,
      })
      return { diff: { ...made, size: BigInt(made.size) } }
    },
  }
}

function blobPathOf(content: ContentStore, namespace: string, digest: Digest): string {
  try {
    content.require(namespace, digest)
  } catch (error) {
    throw withSubject('failed to get reader from content store', error)
  }
  return content.blobPath(digest)
}
