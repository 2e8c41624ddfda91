// containerd.services.streaming.v1
import { create } from '@bufbuild/protobuf'
import { EmptySchema } from '@bufbuild/protobuf/wkt'
import { Failure } from '../../base/failure.ts'
import { type Streaming, StreamInitSchema } from '../../gen/services/streaming_pb.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'
import { packMessage, unpackMessage } from '../client/any.ts'
import type { NamedStreams } from '../transfer/named-stream.ts'
import { namespaceOf } from './call-namespace.ts'

export function createStreamingService(streams: NamedStreams): ServiceHandlers<typeof Streaming> {
  return {
    async *stream(requests, context) {
      const inbound = requests[Symbol.asyncIterator]()
      const first = await inbound.next()
      const init = first.done ? undefined : unpackMessage(StreamInitSchema, first.value)
      if (init === undefined || init.id === '')
        throw new Failure('invalid-argument', 'the first message of a stream must be its name: invalid argument')
      const stream = streams.open(namespaceOf(context), init.id, inbound, context.signal)
      try {
        yield packMessage(EmptySchema, create(EmptySchema)) // the name can be used from now on
        yield* stream.outbound()
      } finally {
        stream.close()
      }
    },
  }
}
