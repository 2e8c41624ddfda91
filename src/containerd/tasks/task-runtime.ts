// What the task service asks of whoever runs containers. Two do: own-runtime.ts by plans and commands, shims/ through programs of others.
import type { ProcessExit } from '../../shim/shim.ts'
import type { Any } from '../../wire/shim-v2/messages.ts'
import type { RootfsMount } from './open-rootfs.ts'
import type { TaskStreams } from './task.ts'

export interface TaskCreation {
  namespace: string
  id: string
  /** The container's spec as its record has it: OCI's JSON. */
  spec: Any | undefined
  rootfs: readonly RootfsMount[]
  streams: TaskStreams
  /** The runtime's name, or the path of its shim. */
  runtime: string
  /** For the runtime: the request's, or else the container's. */
  options: Any | undefined
  /** Directory of the checkpoint to begin from; '' begins anew. */
  checkpoint: string
  /** The caller has gone: what has been made so far goes too. */
  signal: AbortSignal
}

export type TaskStatus = 'unknown' | 'created' | 'running' | 'stopped' | 'paused' | 'pausing'

export interface TaskProcessState {
  /** '' with the first process of some shims: then it is the task's. */
  id: string
  pid: number
  status: TaskStatus
  streams: TaskStreams
  /** Only with `stopped`. */
  exit: ProcessExit | undefined
}

export interface ExecRequest {
  execId: string
  /** OCI's Process as JSON. */
  spec: Any | undefined
  streams: TaskStreams
}

export interface ListedProcess {
  pid: number
  /** containerd.runc.v1.ProcessDetails where it is an exec. */
  info?: Any | undefined
}

/**
 * A container's processes. `create` leaves the first one waiting; `start` runs it; once it has exited, or was never started, `delete` forgets
 * the task and takes away all that it had. Execs live the same way within it: `exec`, `start`, `deleteExec`. An empty `execId` is the first process.
 *
 * Failures have containerd's codes: `not-found` for a process that is not there or has ended, `failed-precondition` for one in the wrong state,
 * `already-exists`, `invalid-argument`, `unimplemented` for what a runtime cannot do, `unknown` with the runtime's own words.
 */
export interface TaskHandle {
  readonly namespace: string
  readonly id: string
  /** Of the first process, on the host. */
  readonly pid: number
  /** @returns the process's pid on the host. */
  start(execId: string): Promise<number>
  /** Registers a further process; it runs nothing yet. */
  exec(request: ExecRequest): Promise<void>
  state(execId: string): Promise<TaskProcessState>
  /** Resolves with the exit, at once where it has been. Given up when the signal aborts. */
  wait(execId: string, signal: AbortSignal): Promise<ProcessExit>
  /** With `all`, every process of the container. */
  kill(execId: string, signal: number, all: boolean): Promise<void>
  resize(execId: string, size: { rows: number; columns: number }): Promise<void>
  closeStdin(execId: string): Promise<void>
  pause(): Promise<void>
  resume(): Promise<void>
  list(): Promise<ListedProcess[]>
  /** `resources` is OCI's LinuxResources as JSON; only what it has changes. */
  update(resources: Any | undefined, annotations: Readonly<Record<string, string>>): Promise<void>
  /** io.containerd.cgroups.v1.Metrics or v2's. */
  stats(): Promise<Any | undefined>
  /** Into the directory `path`. */
  checkpoint(path: string, options: Any | undefined): Promise<void>
  delete(): Promise<{ pid: number; exit: ProcessExit }>
  deleteExec(execId: string): Promise<{ pid: number; exit: ProcessExit }>
}

export interface TaskRuntime {
  /** Resolves when the first process is created; everything is undone on failure. Nobody creates one of the same id meanwhile. */
  create(request: TaskCreation): Promise<TaskHandle>
  find(namespace: string, id: string): TaskHandle | undefined
  list(namespace: string): TaskHandle[]
}
