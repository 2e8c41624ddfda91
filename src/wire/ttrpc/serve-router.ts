// The unary calls of a gRPC router, by ttrpc: for a client of ours beside the gRPC server, at a third of what HTTP/2 costs both ends.
import { create, type DescMethod, fromBinary, type Message, toBinary } from '@bufbuild/protobuf'
import net from 'node:net'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { runOperation } from '../../base/operation.ts'
import { MESSAGE_BYTES_MAX } from '../grpc/frames.ts'
import { type GrpcRouter, type Route, unimplementedText } from '../grpc/router.ts'
import {
  type CallUnderWay,
  type GrpcServer,
  type GrpcServerOptions,
  listen,
  removeStaleSocket,
} from '../grpc/serve-grpc.ts'
import type { CallContext } from '../grpc/service.ts'
import { statusNumber } from '../grpc/status.ts'
import { serveTtrpc, type TtrpcContext, type TtrpcMethod, type TtrpcServices } from './serve-ttrpc.ts'

const GRACE_MS = 200
const LOOK_MS = 10

/** Listens on `path`, by the rules of `serveGrpc`. Metadata has gRPC's names. */
export async function serveRouter(
  router: GrpcRouter,
  path: string,
  log: Log,
  options: Pick<GrpcServerOptions, 'owner' | 'observer' | 'isWaiting'> = {},
): Promise<GrpcServer> {
  await removeStaleSocket(path)
  const listener = net.createServer()
  const calls = new Set<CallUnderWay>()
  const services = servicesOf(router, calls, options)
  const server = serveTtrpc(listener, { services, log, bytesMax: MESSAGE_BYTES_MAX })
  await listen(listener, path, options.owner)

  const isIdle = () => ![...calls].some((call) => options.isWaiting?.(call.path) !== true)
  const end = async (graceMs: number): Promise<void> => {
    const closed = new Promise<void>((resolve) => listener.close(() => resolve()))
    const deadline = Date.now() + graceMs
    while (!isIdle() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    server.close()
    await closed
  }
  let ended: Promise<void> | undefined
  const close = (graceMs = GRACE_MS): Promise<void> => {
    ended ??= end(graceMs)
    return ended
  }
  return { calls: () => [...calls], close, [Symbol.asyncDispose]: () => close() }
}

/** Looked up at every call: services are taken away from a router, too. */
function servicesOf(
  router: GrpcRouter,
  calls: Set<CallUnderWay>,
  { observer }: Pick<GrpcServerOptions, 'observer'>,
): TtrpcServices {
  return {
    get: (service) => ({
      get: (name) => {
        const path = `/${service}/${name}`
        const route = router.find(path)
        if (route === undefined || route.method.methodKind !== 'unary') return refusal(unimplementedText(router, path))
        return async (payload, context) => {
          const call = { path, startedAtMs: Date.now() }
          const watch = observer?.begin(route.method)
          calls.add(call)
          let status = 0
          try {
            watch?.received()
            const answer = await runOperation(path, () => callRoute(route, payload, context))
            watch?.sent()
            return answer
          } catch (error) {
            status = statusNumber(error)
            throw error
          } finally {
            calls.delete(call)
            watch?.end(status)
          }
        }
      },
    }),
  }
}

function refusal(text: string): TtrpcMethod {
  return () => Promise.reject(new Failure('unimplemented', text))
}

async function callRoute({ method, handler }: Route, payload: Uint8Array, context: TtrpcContext): Promise<Uint8Array> {
  const response = (await handler(decode(method, payload), contextOf(context))) as Message
  return toBinary(method.output, create(method.output, response))
}

function decode(method: DescMethod, bytes: Uint8Array): Message {
  try {
    return fromBinary(method.input, bytes)
  } catch (error) {
    throw new Failure('internal', `ttrpc: error unmarshalling request: ${messageOf(error)}`, { cause: error })
  }
}

function contextOf(context: TtrpcContext): CallContext {
  return {
    headers: context.metadata,
    get signal() {
      return context.signal
    },
    accept() {},
  }
}
