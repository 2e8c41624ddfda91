// tasks.Start: lets a created process, the first or an exec, run the image's program.
import { Failure } from '../../base/failure.ts'
import { INIT_PROCESS } from '../../shim/shim.ts'
import { makeExec } from './exec-task.ts'
import { explainStartFailure } from './explain-failure.ts'
import { requireProcess, requireShim, type Task, type TaskProcess } from './task.ts'
import type { TaskHost } from './task-host.ts'

/** @returns the process's pid in the host's PID namespace. */
export async function startTask(host: TaskHost, task: Task, execId: string): Promise<number> {
  const process = requireProcess(task, execId)
  if (process.status.kind !== 'created' || process.starting !== undefined)
    throw new Failure('failed-precondition', `cannot start a ${process.status.kind} process: failed precondition`)
  const work = start(host, task, process, execId)
  // An exit is told after the start that came before it, however soon it came.
  process.starting = work.catch(() => {})
  try {
    await work
  } finally {
    process.starting = undefined
  }
  return process.pid
}

async function start(host: TaskHost, task: Task, process: TaskProcess, execId: string): Promise<void> {
  await makeExec(process)
  try {
    await requireShim(task).start(execId === '' ? INIT_PROCESS : execId)
  } catch (error) {
    throw explainStartFailure(host, process.described, error)
  }
  if (process.status.kind === 'created') process.status = { kind: 'running' } // it may have ended already
  if (execId === '') host.publish(task.namespace, { kind: 'start', id: task.id, pid: process.pid })
  else host.publish(task.namespace, { kind: 'exec-started', id: task.id, execId, pid: process.pid })
}
