// The sandbox controller with what it takes to start shims. Loaded only by a containerd that may.
import { join } from 'node:path'
import type { Controller } from '../gen/services/sandbox_pb.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import type { ServiceHandlers } from '../wire/grpc/service.ts'
import type { TasksDeps } from './open-containerd.ts'
import type { ShimAccess } from './open-tasks.ts'
import { SandboxController } from './sandboxes/sandbox-controller.ts'
import { createSandboxControllerService } from './services/sandbox-controller.ts'

/** Of sandboxes' bundles, as containerd names its directories. */
const DIRECTORY = 'io.containerd.sandbox.controller.v1.shim'

/** Finds the sandboxes that run already, then serves. */
export async function openSandboxes(
  { root, state, events, log }: Pick<TasksDeps, 'root' | 'state' | 'events' | 'log'>,
  { ownRuntimes, grpcAddress, ttrpcAddress, program, isDebug, timeouts }: ShimAccess,
): Promise<ServiceHandlers<typeof Controller>> {
  const controller = await SandboxController.open(
    {
      ...{ grpcAddress, ttrpcAddress, program, isDebug, timeouts, log },
      kernel: openNativeKernel(),
      state: join(state, DIRECTORY),
      root: join(root, DIRECTORY),
      runtimeNameOf: () => undefined, // a sandbox's bundle says what started it
      removeEmptyGroup: async () => {}, // nor a container with a control group
      publish: () => {}, // a sandbox has no task whose end could be told
      tasks: new Map(),
    },
    ownRuntimes,
  )
  return createSandboxControllerService(controller, events)
}
