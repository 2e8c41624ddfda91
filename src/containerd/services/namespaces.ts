// containerd.services.namespaces.v1
import { create } from '@bufbuild/protobuf'
import { NamespaceSchema, type Namespaces } from '../../gen/services/namespaces_pb.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'
import type { NamespaceStore } from '../namespaces/namespace-store.ts'

export function createNamespacesService(namespaces: NamespaceStore): ServiceHandlers<typeof Namespaces> {
  return {
    // One that is not there is empty: clients ask for a namespace's labels before they put anything into it.
    get: ({ name }) => ({ namespace: namespaces.find(name) ?? { name } }),
    list: () => ({ namespaces: namespaces.list() }),
    create: ({ namespace }) => ({ namespace: namespaces.create(namespace ?? create(NamespaceSchema)) }),
    update: ({ namespace, updateMask }) => ({
      namespace: namespaces.update(namespace ?? create(NamespaceSchema), updateMask?.paths ?? []),
    }),
    delete: ({ name }) => {
      namespaces.delete(name)
      return {}
    },
  }
}
