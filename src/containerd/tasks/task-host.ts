// What the task verbs are given: the kernel, the shim's door, where bundles live, whom to tell.
import { join } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import type { Cgroup } from '../../linux/cgroup/cgroup.ts'
import type { Kernel } from '../../linux/kernel.ts'
import type { HostFacts } from '../../runtime/plan-types.ts'
import type { ConnectShim, SpawnShim } from '../../shim/shim.ts'
import { checkIdentifier } from '../identifier.ts'
import type { Task } from './task.ts'
import type { TaskEvent } from './task-events.ts'

export interface TaskHost {
  kernel: Kernel
  facts: HostFacts
  openCgroup(path: string): Cgroup
  spawnShim: SpawnShim
  connectShim: ConnectShim
  /** `<state>/tasks`; bundles are `<namespace>/<id>` below it. */
  directory: string
  publish(namespace: string, event: TaskEvent): void
  log: Log
  tasks: Map<string, Task>
  /** A shim's failures are told to containerd, which puts its own words around them. */
  isShim: boolean
}

export function taskKey(namespace: string, id: string): string {
  return `${namespace}/${id}`
}

export function bundleOf(host: TaskHost, namespace: string, id: string): string {
  return join(host.directory, checkIdentifier(namespace), checkIdentifier(id))
}

export function requireTask(host: TaskHost, namespace: string, id: string): Task {
  const task = host.tasks.get(taskKey(namespace, id))
  if (task === undefined) throw new Failure('not-found', `no running task found: task ${id} not found: not found`)
  return task
}
