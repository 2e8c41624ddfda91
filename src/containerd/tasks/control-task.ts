// The small verbs on a task's processes: kill, pause, resume, resize, close-io.
import { Failure } from '../../base/failure.ts'
import { ERRNO } from '../../linux/kernel-error.ts'
import { INIT_PROCESS, StepFailure } from '../../shim/shim.ts'
import { requireProcess, requireShim, type Task } from './task.ts'
import type { TaskHost } from './task-host.ts'

const SIGKILL = 9

/** With `all`, every process of the task's cgroup gets the signal. Callers grep `process already finished`. */
export async function killTask(
  host: TaskHost,
  task: Task,
  execId: string,
  signal: number,
  all: boolean,
): Promise<void> {
  const process = requireProcess(task, execId)
  if (all && signal === SIGKILL) return task.cgroup.killAll()
  if (all) {
    for (const pid of task.cgroup.pids()) killIfThere(host, pid, signal)
    return
  }
  if (process.status.kind === 'stopped') throw alreadyFinished()
  try {
    await requireShim(task).kill(execId === '' ? INIT_PROCESS : execId, signal)
  } catch (error) {
    // It has ended, and the news of that is on its way.
    if (error instanceof StepFailure && error.errno === ERRNO.ESRCH) throw alreadyFinished()
    throw error
  }
}

function alreadyFinished(): Failure {
  return new Failure('not-found', 'process already finished: not found')
}

function killIfThere(host: TaskHost, pid: number, signal: number): void {
  try {
    host.kernel.kill(pid, signal)
  } catch (error) {
    host.log.debug('a process ended before its signal', { pid, error: String(error) })
  }
}

/** Freezes every process of the task. */
export async function pauseTask(host: TaskHost, task: Task): Promise<void> {
  if (task.init.status.kind !== 'running')
    throw new Failure('failed-precondition', 'cannot pause a task that does not run')
  await task.cgroup.freeze()
  host.publish(task.namespace, { kind: 'paused', id: task.id })
}

export async function resumeTask(host: TaskHost, task: Task): Promise<void> {
  await task.cgroup.thaw()
  host.publish(task.namespace, { kind: 'resumed', id: task.id })
}

export async function resizeTask(task: Task, execId: string, size: { rows: number; columns: number }): Promise<void> {
  requireProcess(task, execId)
  await requireShim(task).resize(execId === '' ? INIT_PROCESS : execId, size)
}

export async function closeTaskStdin(task: Task, execId: string): Promise<void> {
  requireProcess(task, execId)
  await requireShim(task).closeStdin(execId === '' ? INIT_PROCESS : execId)
}
