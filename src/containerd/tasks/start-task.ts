// tasks.Start: lets a created process, the first or an exec, run the image's program.
import { Failure, isFailure } from '../../base/failure.ts'
import { INIT_PROCESS, StepFailure } from '../../shim/shim.ts'
import type { RuntimeCommands } from './by-command.ts'
import { makeExec } from './exec-task.ts'
import { explainStartFailure, framed } from './explain-failure.ts'
import { requireProcess, requireShim, type Task, type TaskProcess } from './task.ts'
import { runPoststart, startState } from './task-hooks.ts'
import type { TaskHost } from './task-host.ts'
import { failpoint } from '../failpoints.ts'

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
  if (process.run !== undefined) await process.run()
  else if (task.commands !== undefined) await startByCommand(host, task, task.commands)
  else await startByShim(host, task, process, execId)
  if (process.status.kind === 'created') process.status = { kind: 'running' } // it may have ended already
  if (execId === '') host.publish(task.namespace, { kind: 'start', id: task.id, pid: process.pid })
  else host.publish(task.namespace, { kind: 'exec-started', id: task.id, execId, pid: process.pid })
}

async function startByShim(host: TaskHost, task: Task, process: TaskProcess, execId: string): Promise<void> {
  try {
    await requireShim(task).start(execId === '' ? INIT_PROCESS : execId, execId === '' ? startState(task) : undefined)
    failpoint(execId === '' ? 'task.started' : 'exec.started')
    if (execId === '') await runPoststart(task)
  } catch (error) {
    // A hook that fails after the start ends what has been started.
    if (!(error instanceof StepFailure)) task.cgroup.killAll()
    throw explainStartFailure(host, process.described, error)
  }
}

async function startByCommand(host: TaskHost, task: Task, commands: RuntimeCommands): Promise<void> {
  await commands.run('start', 'OCI runtime start failed').catch((error: unknown) => {
    throw isFailure(error) ? framed(host, 'failed to start shim task: ', error) : error
  })
  await task.shim?.started(INIT_PROCESS).catch((error: unknown) => {
    host.log.debug('a process ended as soon as it was started', { task: task.id, error: String(error) })
  })
}
