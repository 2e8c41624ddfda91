// containerd.services.containers.v1
import { create } from '@bufbuild/protobuf'
import { ContainerSchema, type Containers } from '../../gen/services/containers_pb.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'
import type { ContainerStore } from '../containers/container-store.ts'
import type { CollectScheduler } from '../gc/collect-scheduler.ts'
import { namespaceOf } from './call-namespace.ts'
import { type Deprecations, deprecationOf } from './deprecations.ts'

export function createContainersService(
  containers: ContainerStore,
  collector: CollectScheduler,
  deprecations: Deprecations,
): ServiceHandlers<typeof Containers> {
  return {
    get: ({ id }, context) => ({ container: containers.require(namespaceOf(context), id) }),
    list: ({ filters }, context) => ({ containers: containers.list(namespaceOf(context), filters) }),
    async *listStream({ filters }, context) {
      for (const container of containers.list(namespaceOf(context), filters)) yield { container }
    },
    create: ({ container }, context) => {
      const created = containers.create(namespaceOf(context), container ?? create(ContainerSchema))
      const deprecation = deprecationOf(created.runtime?.name ?? '')
      if (deprecation !== undefined) deprecations.record(deprecation)
      return { container: created }
    },
    update: ({ container, updateMask }, context) => ({
      container: containers.update(namespaceOf(context), container ?? create(ContainerSchema), updateMask?.paths ?? []),
    }),
    delete: ({ id }, context) => {
      containers.delete(namespaceOf(context), id)
      collector.schedule()
      return {}
    },
  }
}
