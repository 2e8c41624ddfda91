// tasks.Delete and DeleteProcess: what has ended is forgotten, and everything it had in the kernel and on disk goes.
import { rm } from 'node:fs/promises'
import { Failure } from '../../base/failure.ts'
import type { ProcessExit } from '../../shim/shim.ts'
import { requireProcess, type Task } from './task.ts'
import { type TaskHost, taskKey } from './task-host.ts'
import { recordOf, writeTaskRecord } from './task-record.ts'

/** Only a created (then it is killed) or stopped task goes. Safe to repeat after a crash: the bundle goes last. */
export async function deleteTask(host: TaskHost, task: Task): Promise<ProcessExit> {
  if (task.init.status.kind === 'running')
    throw new Failure('failed-precondition', 'task must be stopped before deletion: running: failed precondition')
  task.deleting = true
  const exit: ProcessExit =
    task.init.status.kind === 'stopped'
      ? task.init.status.exit
      : { code: 0, exitedAtNs: BigInt(Date.now()) * 1_000_000n }
  await task.shim?.shutdown()
  task.shim = undefined
  await task.cgroup.remove()
  await rm(task.bundle, { recursive: true, force: true })
  host.tasks.delete(taskKey(task.namespace, task.id))
  host.publish(task.namespace, {
    kind: 'delete',
    id: task.id,
    pid: task.init.pid,
    status: exit.code,
    exitedAtNs: exit.exitedAtNs,
  })
  return exit
}

/** Forgets an exec that has ended or never ran. */
export async function deleteExec(host: TaskHost, task: Task, execId: string): Promise<ProcessExit> {
  const process = requireProcess(task, execId)
  if (process.status.kind === 'running')
    throw new Failure('failed-precondition', `process ${execId} is running: failed precondition`)
  await task.shim
    ?.remove(execId)
    .catch((error: unknown) => host.log.debug('the shim does not know an exec', { execId, error: String(error) }))
  task.execs.delete(execId)
  writeTaskRecord(task.bundle, recordOf(task))
  return process.status.kind === 'stopped'
    ? process.status.exit
    : { code: 0, exitedAtNs: BigInt(Date.now()) * 1_000_000n }
}
