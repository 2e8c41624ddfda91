// grpc.health.v1: whoever can ask is served.
import { Failure } from '../../base/failure.ts'
import { type Health, HealthCheckResponse_ServingStatus as Status } from '../../gen/grpc/health_pb.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'

/** @param knows whether a service of this full name is served. */
export function createHealthService(knows: (service: string) => boolean): ServiceHandlers<typeof Health> {
  const isKnown = (service: string): boolean => service === '' || knows(service)
  return {
    check: ({ service }) => {
      if (!isKnown(service)) throw new Failure('not-found', 'unknown service')
      return { status: Status.SERVING }
    },
    // The answer does not change while there is somebody to give it: the end of the server is the end of the stream.
    async *watch({ service }, context) {
      yield { status: isKnown(service) ? Status.SERVING : Status.SERVICE_UNKNOWN }
      await aborted(context.signal)
    },
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
