// A task: a container's processes under one shim.
import { Failure } from '../../base/failure.ts'
import type { Cgroup } from '../../linux/cgroup/cgroup.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import type { DescribedPlan } from '../../runtime/plan-types.ts'
import type { ProcessExit, Shim } from '../../shim/shim.ts'
import type { RuntimeChoice, RuntimeCommands } from './by-command.ts'
import type { Logger } from './logger.ts'

/** Where a process's streams go, verbatim as the client gave it. */
export interface TaskStreams {
  stdin: string
  stdout: string
  stderr: string
  terminal: boolean
}

export type ProcessStatus = { kind: 'created' } | { kind: 'running' } | { kind: 'stopped'; exit: ProcessExit }

/** The first process or an exec. */
export interface TaskProcess {
  readonly id: string
  pid: number
  status: ProcessStatus
  readonly streams: TaskStreams
  /** Resolves with the exit; never rejects. */
  readonly exited: Promise<ProcessExit>
  settle(exit: ProcessExit): void
  /** What the shim was told, for the words of a failure; absent after a restart of this daemon. */
  described: DescribedPlan | undefined
  /** An exec that is registered, but not made yet. */
  make: (() => Promise<void>) | undefined
  /** Asked for before the process was there. */
  size: { rows: number; columns: number } | undefined
  /** How it is started, where it is not enough to tell the shim. */
  run: (() => Promise<void>) | undefined
  /** Gives up on one that is made and never started. */
  abandon: (() => void) | undefined
  /** A start is under way: what comes after it, such as the exit, waits until it has been told. */
  starting: Promise<void> | undefined
  logger: Logger | undefined
}

export interface Task {
  readonly namespace: string
  readonly id: string
  /** Directory of the shim's sockets and records. */
  readonly bundle: string
  /** Directory of config.json and the root file system; `bundle` itself where nobody else made one. */
  readonly ociBundle: string
  readonly spec: RuntimeSpec
  readonly runtime: RuntimeChoice
  /** Undefined with the built-in runtime. */
  readonly commands: RuntimeCommands | undefined
  cgroup: Cgroup
  readonly init: TaskProcess
  readonly execs: Map<string, TaskProcess>
  /** Undefined before the shim is there, and once it is gone. */
  shim: Shim | undefined
  /** Kills of the cgroup's OOM killer already told of. */
  oomKillsTold: number
  /** Where memory is limited. */
  oomWatch: { close(): void } | undefined
  /** The first process has ended; its exit is told when its execs' are. */
  isEnding: boolean
  /** A delete is under way or done. */
  deleting: boolean
}

export function createProcess(id: string, streams: TaskStreams): TaskProcess {
  let settled: (exit: ProcessExit) => void = () => {}
  const exited = new Promise<ProcessExit>((resolve) => {
    settled = resolve
  })
  return {
    id,
    pid: 0,
    status: { kind: 'created' },
    streams,
    exited,
    described: undefined,
    make: undefined,
    size: undefined,
    run: undefined,
    abandon: undefined,
    starting: undefined,
    logger: undefined,
    settle(exit) {
      if (this.status.kind === 'stopped') return
      this.status = { kind: 'stopped', exit }
      settled(exit)
    },
  }
}

/** What all tasks begin as. */
export function newTask(
  identity: Pick<
    Task,
    'namespace' | 'id' | 'bundle' | 'ociBundle' | 'spec' | 'runtime' | 'commands' | 'cgroup' | 'init' | 'execs'
  >,
): Task {
  return {
    ...identity,
    shim: undefined,
    oomKillsTold: 0,
    oomWatch: undefined,
    isEnding: false,
    deleting: false,
  }
}

/** '' names the first process, as in containerd's requests. */
export function requireProcess(task: Task, execId: string): TaskProcess {
  if (execId === '') return task.init
  const found = task.execs.get(execId)
  if (found === undefined) throw new Failure('not-found', `process does not exist ${execId}: not found`)
  return found
}

/** The shim, or the failure that a caller of containerd expects for a task whose processes are gone. */
export function requireShim(task: Task): Shim {
  if (task.shim === undefined)
    throw new Failure('not-found', `task ${task.id} is not running: process already finished`)
  return task.shim
}
