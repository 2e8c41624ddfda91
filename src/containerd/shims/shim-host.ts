// What is known where other people's shims are started, spoken to and cleaned up after.
import type { Log } from '../../base/log.ts'
import type { Kernel } from '../../linux/kernel.ts'
import type { TaskEvent } from '../tasks/task-events.ts'
import type { ShimTask } from './shim-task.ts'

export interface ShimHost {
  kernel: Pick<Kernel, 'umount' | 'mknod'>
  /** `<state>/io.containerd.runtime.v2.task`: bundles are `<namespace>/<id>` below it. */
  state: string
  /** `<root>/io.containerd.runtime.v2.task`: a bundle's `work`, on disk. */
  root: string
  /** Our sockets, as shims are told of them: absolute paths. */
  grpcAddress: string
  ttrpcAddress: string
  /** Our own program: told to shims, and its directory is where they are looked for besides PATH. */
  program: string
  isDebug: boolean
  /** What a container's record names, for bundles that do not say what started them. */
  runtimeNameOf(namespace: string, id: string): string | undefined
  publish(namespace: string, event: TaskEvent): void
  log: Log
  /** By `<namespace>/<id>`. */
  tasks: Map<string, ShimTask>
}
