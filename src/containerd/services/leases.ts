// containerd.services.leases.v1
import type { Leases } from '../../gen/services/leases_pb.ts'
import { Failure } from '../../base/failure.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'
import type { CollectScheduler } from '../gc/collect-scheduler.ts'
import type { LeaseStore } from '../leases/lease-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { namespaceOf } from './call-namespace.ts'

export function createLeasesService(
  leases: LeaseStore,
  metadata: MetadataStore,
  collector: CollectScheduler,
): ServiceHandlers<typeof Leases> {
  return {
    create: ({ id, labels }, context) => ({ lease: leases.create(namespaceOf(context), id, labels) }),
    delete: async ({ id, sync }, context) => {
      leases.delete(namespaceOf(context), id)
      if (sync) await collector.collectNow()
      else collector.schedule()
      await metadata.settle() // what the lease held is to last, whoever has it now
      return {}
    },
    list: ({ filters }, context) => ({ leases: leases.list(namespaceOf(context), filters) }),
    addResource: ({ id, resource }, context) => {
      leases.addResource(namespaceOf(context), id, requireResource(resource))
      return {}
    },
    deleteResource: ({ id, resource }, context) => {
      leases.deleteResource(namespaceOf(context), id, requireResource(resource))
      collector.schedule()
      return {}
    },
    listResources: ({ id }, context) => ({ resources: leases.listResources(namespaceOf(context), id) }),
  }
}

function requireResource<Resource>(resource: Resource | undefined): Resource {
  if (resource === undefined) throw new Failure('invalid-argument', 'resource is required: invalid argument')
  return resource
}
