// The task service with everything below it: kernel, control groups, shims. Loaded only by a containerd that runs containers.
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { openCgroup, reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { gatherHostFacts } from '../runtime/gather-host-facts.ts'
import { parseRuntimeSpec } from '../runtime/parse-runtime-spec.ts'
import { connectShim } from '../shim/connect-shim.ts'
import { spawnShimWith } from '../shim/spawn-shim.ts'
import type { ServiceHandlers } from '../wire/grpc/service.ts'
import type { Tasks } from '../gen/services/tasks_pb.ts'
import type { TasksDeps } from './open-containerd.ts'
import { namespaceOf } from './services/call-namespace.ts'
import { messageOfTaskEvent } from './services/task-event-messages.ts'
import { createTasksService } from './services/tasks.ts'
import { adoptTasks } from './tasks/adopt-tasks.ts'
import { OWN_PROGRAM } from './tasks/find-runtime.ts'
import type { TaskHost } from './tasks/task-host.ts'

/** Adopts what runs already, then serves. */
export async function openTasks(deps: TasksDeps & { shimPath: string }): Promise<ServiceHandlers<typeof Tasks>> {
  const kernel = openNativeKernel()
  const host: TaskHost = {
    kernel,
    facts: gatherHostFacts(),
    openCgroup: (request) => openCgroup({ ...request, rootless: false }, kernel),
    reopenCgroup: (record) => reopenCgroup(record, kernel),
    spawnShim: spawnShimWith(deps.shimPath),
    connectShim,
    directory: deps.directory,
    runtimeRoot: join(deps.directory, '../runtimes'),
    ownProgram: join(dirname(deps.shimPath), OWN_PROGRAM),
    publish(namespace, event) {
      const { topic, schema, message } = messageOfTaskEvent(event)
      deps.events.publish(namespace, topic, schema, message)
    },
    log: deps.log,
    tasks: new Map(),
    isShim: false,
  }
  mkdirSync(deps.directory, { recursive: true, mode: 0o700 })
  await adoptTasks(host)
  return createTasksService({
    host,
    content: deps.content,
    namespaceOf,
    containerOf(namespace, containerId) {
      const { spec, runtime } = deps.containers.require(namespace, containerId)
      const specText = Buffer.from(spec?.value ?? []).toString('utf8')
      return { spec: parseRuntimeSpec(specText), specText, runtime }
    },
  })
}
