// The ttrpc socket: shims tell there what becomes of their containers.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { EmptySchema } from '@bufbuild/protobuf/wkt'
import { Failure } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { ForwardRequestSchema } from '../../gen/services/events_pb.ts'
import { listenPrivately, prepareSocket } from '../../wire/grpc/serve-grpc.ts'
import { serveTtrpc } from '../../wire/ttrpc/serve-ttrpc.ts'
import type { EventExchange } from '../events/event-exchange.ts'

/** containerd.services.events.ttrpc.v1's messages are those of the gRPC service. */
const SERVICE = 'containerd.services.events.ttrpc.v1.Events'

/** Serves until disposed of; the socket is removed then. */
export async function serveEvents(
  events: Pick<EventExchange, 'forward'>,
  { address, uid, gid }: { address: string; uid: number; gid: number },
  log: Log,
): Promise<AsyncDisposable> {
  await prepareSocket(address)
  const server = createServer()
  const forward = async (payload: Uint8Array): Promise<Uint8Array> => {
    const { envelope } = fromBinary(ForwardRequestSchema, payload)
    if (envelope === undefined) throw new Failure('invalid-argument', 'envelope is required: invalid argument')
    events.forward(envelope)
    return toBinary(EmptySchema, { $typeName: 'google.protobuf.Empty' })
  }
  const serving = serveTtrpc(server, { services: new Map([[SERVICE, new Map([['Forward', forward]])]]), log })
  await listenPrivately(server, address, { uid, gid })
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      serving.close()
      await closed
    },
  }
}
