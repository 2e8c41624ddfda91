// containerd.services.transfer.v1
import type { Transfer } from '../../gen/services/transfer_pb.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'
import type { Transfers } from '../transfer/transfer.ts'
import { leaseOf, namespaceOf } from './call-namespace.ts'

export function createTransferService(transfers: Transfers): ServiceHandlers<typeof Transfer> {
  return {
    async transfer({ source, destination, options }, context) {
      await transfers.transfer({
        source,
        destination,
        progressStream: options?.progressStream ?? '',
        namespace: namespaceOf(context),
        leaseId: leaseOf(context),
        signal: context.signal,
      })
      return {}
    },
  }
}
