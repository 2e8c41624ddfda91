// What is known where other people's shims are started, spoken to and cleaned up after.
import type { Log } from '../../base/log.ts'
import type { Kernel } from '../../linux/kernel.ts'
import type { TaskEvent } from '../tasks/task-events.ts'
import type { ShimTask } from './shim-task.ts'

/** How long a shim is waited for; an administrator may say otherwise (`io.containerd.timeout.*`). */
export interface ShimTimeouts {
  /** Each question to a shim that is found running. */
  loadMs: number
  /** Its program's `delete`, which has to start, and its runtime after it, on a machine that may be busy. */
  cleanupMs: number
  shutdownMs: number
  /** A listing must not wait for a shim that has fallen silent. */
  stateMs: number
}

export const SHIM_TIMEOUTS: ShimTimeouts = { loadMs: 5_000, cleanupMs: 15_000, shutdownMs: 3_000, stateMs: 2_000 }

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
  timeouts: ShimTimeouts
  /** Removes a container's control group, by the spec's path, where it is there and nobody is in it. */
  removeEmptyGroup(cgroupsPath: string): Promise<void>
  /** What a container's record names, for bundles that do not say what started them. */
  runtimeNameOf(namespace: string, id: string): string | undefined
  publish(namespace: string, event: TaskEvent): void
  log: Log
  /** By `<namespace>/<id>`. */
  tasks: Map<string, ShimTask>
}
