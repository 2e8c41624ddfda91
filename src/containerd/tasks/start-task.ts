// tasks.Start: lets a created process, the first or an exec, run the image's program.
import { Failure } from '../../base/failure.ts'
import { INIT_PROCESS } from '../../shim/shim.ts'
import { explainStartFailure } from './explain-failure.ts'
import { requireProcess, requireShim, type Task } from './task.ts'
import type { TaskHost } from './task-host.ts'

/** @returns the process's pid in the host's PID namespace. */
export async function startTask(host: TaskHost, task: Task, execId: string): Promise<number> {
  const process = requireProcess(task, execId)
  if (process.status.kind !== 'created')
    throw new Failure('failed-precondition', `cannot start a ${process.status.kind} process: failed precondition`)
  const shim = requireShim(task)
  try {
    await shim.start(execId === '' ? INIT_PROCESS : execId)
  } catch (error) {
    throw explainStartFailure(process.described, error)
  }
  if (process.status.kind === 'created') process.status = { kind: 'running' } // it may have ended already
  if (execId === '') host.publish(task.namespace, { kind: 'start', id: task.id, pid: process.pid })
  else host.publish(task.namespace, { kind: 'exec-started', id: task.id, execId, pid: process.pid })
  return process.pid
}
