// containerd.services.sandbox.v1.Controller
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { Failure, isFailure, withSubject } from '../../base/failure.ts'
import { SandboxCreateSchema, SandboxExitSchema, SandboxStartSchema } from '../../gen/events/sandbox_pb.ts'
import { Sandbox as SandboxService } from '../../gen/runtime/sandbox_pb.ts'
import type { Controller } from '../../gen/services/sandbox_pb.ts'
import type { CallContext, ServiceHandlers } from '../../wire/grpc/service.ts'
import type { EventExchange } from '../events/event-exchange.ts'
import type { SandboxController } from '../sandboxes/sandbox-controller.ts'
import { namespaceOf } from './call-namespace.ts'

/** The only one there is; containerd's other one is a kubelet's. */
const CONTROLLER = 'shim'

const { startSandbox, platform, stopSandbox, waitSandbox, sandboxStatus, sandboxMetrics } = SandboxService.method

export function createSandboxControllerService(
  controller: SandboxController,
  events: EventExchange,
): ServiceHandlers<typeof Controller> {
  /** Throws for a controller that is not here. */
  const sandboxOf = (request: { sandboxId: string; sandboxer: string }, context: CallContext) => {
    checkController(request.sandboxer)
    return { namespace: namespaceOf(context), id: request.sandboxId }
  }
  return {
    async create(request, context) {
      const { sandboxId, sandbox, options, rootfs, netnsPath, annotations } = request
      const { namespace, id } = sandboxOf(request, context)
      await controller.create({
        ...{ namespace, id, rootfs, netnsPath, annotations, options: options ?? sandbox?.runtime?.options },
        ...{ runtime: sandbox?.runtime?.name ?? '', spec: sandbox?.spec, signal: context.signal },
      })
      events.publish(namespace, '/sandboxes/create', SandboxCreateSchema, { sandboxId })
      return { sandboxId }
    },
    async start(request, context) {
      const sandbox = sandboxOf(request, context)
      const { sandboxId } = request
      const { pid, createdAt, spec } = await framed(`failed to start sandbox ${JSON.stringify(sandboxId)}`, () =>
        controller.call(startSandbox, sandbox, { sandboxId }, { signal: context.signal }),
      )
      const { address, version } = controller.endpointOf(sandbox)
      events.publish(sandbox.namespace, '/sandboxes/start', SandboxStartSchema, { sandboxId })
      return { sandboxId, pid, address, version, ...present({ createdAt, spec }) }
    },
    async platform(request, context) {
      const sandbox = sandboxOf(request, context)
      const answer = await controller.call(platform, sandbox, { sandboxId: request.sandboxId })
      return present({ platform: answer.platform })
    },
    async stop(request, context) {
      const sandbox = sandboxOf(request, context)
      const { sandboxId, timeoutSecs } = request
      if (!controller.isRunning(sandbox)) return {}
      await framed('failed to stop sandbox', () =>
        controller.call(stopSandbox, sandbox, { sandboxId, timeoutSecs }).catch(ignoreGone),
      )
      return {}
    },
    async wait(request, context) {
      const sandbox = sandboxOf(request, context)
      const { sandboxId } = request
      const { exitStatus, exitedAt } = await framed(`failed to wait sandbox ${sandboxId}`, () =>
        controller.call(waitSandbox, sandbox, { sandboxId }, { signal: context.signal }),
      )
      const exit = { exitStatus, ...present({ exitedAt }) }
      events.publish(sandbox.namespace, '/sandboxes/exit', SandboxExitSchema, { sandboxId, ...exit })
      return exit
    },
    async status(request, context) {
      const sandbox = sandboxOf(request, context)
      const { sandboxId, verbose } = request
      if (!controller.isRunning(sandbox)) return { sandboxId, exitedAt: timestampFromMs(Date.now()) }
      const answer = await controller.call(sandboxStatus, sandbox, { sandboxId, verbose })
      const { address, version } = controller.endpointOf(sandbox)
      const { pid, state, info, createdAt, exitedAt, extra } = answer
      return {
        sandboxId: answer.sandboxId,
        pid,
        state,
        info,
        address,
        version,
        ...present({ createdAt, exitedAt, extra }),
      }
    },
    async shutdown(request, context) {
      await controller.shutdown(sandboxOf(request, context))
      return {}
    },
    async metrics(request, context) {
      const sandbox = sandboxOf(request, context)
      return present({
        metrics: (await controller.call(sandboxMetrics, sandbox, { sandboxId: request.sandboxId })).metrics,
      })
    },
  }
}

function checkController(name: string): void {
  if (name === '') throw new Failure('invalid-argument', 'invalid argument: sandbox controller name can not be empty')
  if (name !== CONTROLLER) throw new Failure('not-found', `not found: failed to get sandbox controller by ${name}`)
}

async function framed<Result>(frame: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw withSubject(frame, error)
  }
}

/** Its shim ends with it, and may do so before it has answered. */
function ignoreGone(error: unknown): void {
  if (!isFailure(error, 'not-found', 'unavailable')) throw error
}

/** Without the fields that are not there. */
function present<Fields extends Record<string, unknown>>(
  fields: Fields,
): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> }
}
