// What the task verbs are given: the kernel, the shim's door, where bundles live, whom to tell.
import { join } from 'node:path'
import type { Log } from '../../base/log.ts'
import type { Cgroup, CgroupRecord } from '../../linux/cgroup/cgroup.ts'
import type { BoundedFiles } from '../../linux/bounded-files.ts'
import type { Kernel } from '../../linux/kernel.ts'
import type { HostFacts } from '../../runtime/plan-types.ts'
import type { ConnectShim, SpawnShim } from '../../shim/shim.ts'
import { checkIdentifier } from '../identifier.ts'
import type { Task } from './task.ts'
import type { TaskEvent } from './task-events.ts'

export interface TaskHost {
  kernel: Kernel
  /** For what a container may have mounted over. */
  files: BoundedFiles
  facts: HostFacts
  /** By `linux.cgroupsPath`; a handle, nothing is made yet. */
  openCgroup(request: { cgroupsPath: string | undefined; id: string; systemd: boolean }): Promise<Cgroup>
  reopenCgroup(record: CgroupRecord): Cgroup
  spawnShim: SpawnShim
  connectShim: ConnectShim
  /** `<state>/tasks`; bundles are `<namespace>/<id>` below it, but for those that callers bring. */
  directory: string
  /** Where runtimes that are run by command keep their state, where the caller does not say. */
  runtimeRoot: string
  /** Path of our own runtime as a program. */
  ownProgram: string
  publish(namespace: string, event: TaskEvent): void
  log: Log
  tasks: Map<string, Task>
  /** These verbs serve containerd as its shim: failures get their frame from containerd, and an exec is made when it is started. */
  isShim: boolean
}

export function taskKey(namespace: string, id: string): string {
  return `${namespace}/${id}`
}

export function bundleOf(host: TaskHost, namespace: string, id: string): string {
  return join(host.directory, checkIdentifier(namespace), checkIdentifier(id))
}
