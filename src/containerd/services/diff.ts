// containerd.services.diff.v1: layers are applied here; making them is not served yet.
import { Failure } from '../../base/failure.ts'
import type { Diff } from '../../gen/services/diff_pb.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { parseDigest } from '../../oci/digest.ts'
import type { CallContext, ServiceHandlers } from '../../wire/grpc/service.ts'
import { applyLayer } from '../diff/apply-layer.ts'
import type { LayerWorkers } from '../diff/layer-workers.ts'

export interface DiffServiceDeps {
  workers: LayerWorkers
  /** The file that holds a blob of the namespace; throws not-found. */
  blobPath(namespace: string, diff: Descriptor): string | Promise<string>
  namespaceOf(context: CallContext): string
}

export function createDiffService(deps: DiffServiceDeps): ServiceHandlers<typeof Diff> {
  return {
    async apply(request, context) {
      const namespace = deps.namespaceOf(context)
      if (!request.diff) throw new Failure('invalid-argument', 'diff descriptor is required: invalid argument')
      const { mediaType, digest, size } = request.diff
      const diff: Descriptor = { mediaType, digest: parseDigest(digest), size: Number(size) }
      const applied = await applyLayer(deps.workers, {
        diff,
        blobPath: await deps.blobPath(namespace, diff),
        mounts: request.mounts,
        syncFs: request.syncFs,
        signal: context.signal,
      })
      return { applied: { ...applied, size: BigInt(applied.size) } }
    },
  }
}
