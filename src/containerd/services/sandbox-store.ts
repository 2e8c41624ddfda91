// containerd.services.sandbox.v1.Store
import { create } from '@bufbuild/protobuf'
import type { Store } from '../../gen/services/sandbox_pb.ts'
import { SandboxSchema } from '../../gen/types/sandbox_pb.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'
import type { CollectScheduler } from '../gc/collect-scheduler.ts'
import type { SandboxStore } from '../sandboxes/sandbox-store.ts'
import { namespaceOf } from './call-namespace.ts'

export function createSandboxStoreService(
  sandboxes: SandboxStore,
  collector: CollectScheduler,
): ServiceHandlers<typeof Store> {
  return {
    create: ({ sandbox }, context) => ({
      sandbox: sandboxes.create(namespaceOf(context), sandbox ?? create(SandboxSchema)),
    }),
    update: ({ sandbox, fields }, context) => ({
      sandbox: sandboxes.update(namespaceOf(context), sandbox ?? create(SandboxSchema), fields),
    }),
    delete: ({ sandboxId }, context) => {
      sandboxes.delete(namespaceOf(context), sandboxId)
      collector.schedule()
      return {}
    },
    list: ({ filters }, context) => ({ list: sandboxes.list(namespaceOf(context), filters) }),
    get: ({ sandboxId }, context) => ({ sandbox: sandboxes.require(namespaceOf(context), sandboxId) }),
  }
}
