// The task service with everything below it: kernel, control groups, shims. Loaded only by a containerd that runs containers.
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Failure } from '../base/failure.ts'
import { openCgroup, reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import { BoundedFiles } from '../linux/bounded-files.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { gatherHostFacts } from '../runtime/gather-host-facts.ts'
import { connectShim } from '../shim/connect-shim.ts'
import { spawnShimWith } from '../shim/spawn-shim.ts'
import type { ServiceHandlers } from '../wire/grpc/service.ts'
import type { Tasks } from '../gen/services/tasks_pb.ts'
import type { TasksDeps } from './open-containerd.ts'
import { namespaceOf } from './services/call-namespace.ts'
import { CheckpointStore } from './checkpoints/checkpoint-store.ts'
import { messageOfTaskEvent } from './services/task-event-messages.ts'
import { createTasksService } from './services/tasks.ts'
import { isOwn, OWN_RUNTIMES } from './own-runtimes.ts'
import type { ShimHost, ShimTimeouts } from './shims/shim-host.ts'
import { ShimRuntime } from './shims/shim-runtime.ts'
import { adoptTasks } from './tasks/adopt-tasks.ts'
import { OWN_PROGRAM } from './tasks/find-runtime.ts'
import { OwnRuntime } from './tasks/own-runtime.ts'
import type { TaskEvent } from './tasks/task-events.ts'
import type { TaskHost } from './tasks/task-host.ts'

/** What it takes to run tasks under other people's shims (shims/). */
export interface ShimAccess {
  /** Names of runtimes that the built-in one serves; every other name is a shim's. */
  ownRuntimes: readonly string[]
  /** Our sockets, as shims are told of them. */
  grpcAddress: string
  ttrpcAddress: string
  /** Our own program. */
  program: string
  isDebug: boolean
  timeouts: ShimTimeouts
}

export interface TaskSettings {
  /** berth-shim. */
  shimPath: string
  /** Absent where no shim could reach us: then there are only the built-in runtime's tasks. */
  shims?: ShimAccess
}

/** Of shims' bundles, as containerd names its directories. */
const SHIMS_DIRECTORY = 'io.containerd.runtime.v2.task'

/** Adopts what runs already, then serves. */
export async function openTasks(deps: TasksDeps & TaskSettings): Promise<ServiceHandlers<typeof Tasks>> {
  const { containers, content, workers, events, log } = deps
  const publish = (namespace: string, event: TaskEvent): void => {
    const { topic, schema, message } = messageOfTaskEvent(event)
    events.publish(namespace, topic, schema, message)
  }
  const own = await openOwn(deps, publish)
  const shims = deps.shims && (await openShims(deps, deps.shims, publish))
  const names = deps.shims?.ownRuntimes ?? OWN_RUNTIMES
  return createTasksService({
    runtimes: shims === undefined ? [own] : [own, shims],
    runtimeOf(name) {
      if (isOwn(name, names)) return own
      if (shims !== undefined) return shims
      throw new Failure(
        'unimplemented',
        `runtime ${JSON.stringify(name)}: this containerd starts no shims: not implemented`,
      )
    },
    checkpoints: new CheckpointStore({ directory: join(deps.state, 'checkpoints'), content, workers }),
    containerOf: (namespace, id) => containers.require(namespace, id),
    namespaceOf,
    log,
  })
}

async function openShims(
  { root, state, containers, log }: TasksDeps,
  { grpcAddress, ttrpcAddress, program, isDebug, timeouts }: ShimAccess,
  publish: ShimHost['publish'],
): Promise<ShimRuntime> {
  const kernel = openNativeKernel()
  return await ShimRuntime.open({
    kernel,
    async removeEmptyGroup(cgroupsPath) {
      const group = await openCgroup({ cgroupsPath, id: '', systemd: false, rootless: false }, kernel)
      if (group.exists() && group.pids().length === 0) await group.remove()
    },
    state: join(state, SHIMS_DIRECTORY),
    root: join(root, SHIMS_DIRECTORY),
    grpcAddress,
    ttrpcAddress,
    program,
    isDebug,
    timeouts,
    runtimeNameOf: (namespace, id) => containers.find(namespace, id)?.runtime?.name,
    publish,
    log,
    tasks: new Map(),
  })
}

async function openOwn(deps: TasksDeps & TaskSettings, publish: TaskHost['publish']): Promise<OwnRuntime> {
  const kernel = openNativeKernel()
  const directory = join(deps.state, 'tasks')
  const host: TaskHost = {
    kernel,
    files: new BoundedFiles(kernel, deps.shimPath),
    facts: gatherHostFacts(),
    openCgroup: (request) => openCgroup({ ...request, rootless: false }, kernel),
    reopenCgroup: (record) => reopenCgroup(record, kernel),
    spawnShim: spawnShimWith(deps.shimPath),
    connectShim,
    directory,
    runtimeRoot: join(deps.state, 'runtimes'),
    ownProgram: join(dirname(deps.shimPath), OWN_PROGRAM),
    publish,
    log: deps.log,
    tasks: new Map(),
    isShim: false,
  }
  mkdirSync(directory, { recursive: true, mode: 0o711 }) // each bundle is closed in itself
  await adoptTasks(host)
  return new OwnRuntime(host)
}
