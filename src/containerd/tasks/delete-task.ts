// tasks.Delete and DeleteProcess: what has ended is forgotten, and everything it had in the kernel and on disk goes.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { ProcessExit } from '../../shim/shim.ts'
import { mountDirectory } from './create-by-command.ts'
import { unmountAll } from './open-rootfs.ts'
import { requireProcess, type Task, type TaskProcess } from './task.ts'
import { runPoststop } from './task-hooks.ts'
import { type TaskHost, taskKey } from './task-host.ts'
import { removeExecRecord } from './task-record.ts'
import { failpoint } from '../failpoints.ts'

/** Only a created (then it is killed) or stopped task goes. Safe to repeat after a crash: the bundle goes last. */
export async function deleteTask(host: TaskHost, task: Task): Promise<ProcessExit> {
  if (task.init.status.kind === 'running')
    throw new Failure('failed-precondition', 'task must be stopped before deletion: running: failed precondition')
  task.deleting = true
  failpoint('task.delete.begun')
  const exit = exitOf(task.init)
  await deleteByCommand(task)
  await task.shim?.shutdown()
  failpoint('task.delete.shim-gone')
  task.shim = undefined
  task.oomWatch?.close()
  await Promise.all([task.init, ...task.execs.values()].map((process) => process.logger?.close()))
  await task.cgroup.remove()
  failpoint('task.delete.cgroup-removed')
  if (task.commands === undefined) await runPoststop(host, task)
  // What is mounted is the container's data, and not ours to remove.
  unmountAll(host.kernel, join(task.bundle, 'rootfs'))
  if (task.commands !== undefined) unmountAll(host.kernel, mountDirectory(task))
  failpoint('task.delete.unmounted')
  await rm(task.bundle, { recursive: true, force: true })
  failpoint('task.delete.bundle-removed')
  host.tasks.delete(taskKey(task.namespace, task.id))
  const { pid } = task.init
  host.publish(task.namespace, { kind: 'delete', id: task.id, pid, status: exit.code, exitedAtNs: exit.exitedAtNs })
  return exit
}

/** A process that has not been started is killed with it. One that the runtime does not know (any more) is gone. */
async function deleteByCommand({ commands, init }: Task): Promise<void> {
  const flags = init.status.kind === 'stopped' ? [] : ['--force']
  await commands?.run('delete', 'failed to delete task', { flags }).catch((error: unknown) => {
    if (!/does not exist|No such file or directory/.test(String(error))) throw error
  })
}

const SIGKILL = 9
/** Between the signal and the shim's word. */
const UNSTARTED_MS = 2_000

/** Forgets an exec that has ended or never ran. */
export async function deleteExec(host: TaskHost, task: Task, execId: string): Promise<ProcessExit> {
  const process = requireProcess(task, execId)
  if (process.status.kind === 'running')
    throw new Failure('failed-precondition', `process ${execId} is running: failed precondition`)
  await endUnstarted(task, process)
  await task.shim
    ?.remove(execId)
    .catch((error: unknown) => host.log.debug('the shim does not know an exec', { execId, error: String(error) }))
  failpoint('exec.delete.removed')
  process.abandon?.()
  await process.logger?.close()
  task.commands?.forgetExec(execId)
  task.execs.delete(execId)
  removeExecRecord(task, execId)
  failpoint('exec.delete.recorded')
  return exitOf(process)
}

/** One that is made and waits for its start, in vain: the shim forgets only what has ended. */
async function endUnstarted({ shim }: Task, process: TaskProcess): Promise<void> {
  const isWaiting = process.status.kind === 'created' && process.make === undefined && process.run === undefined
  if (!isWaiting || shim === undefined || !shim.processes.has(process.id)) return
  try {
    await shim.kill(process.id, SIGKILL)
    await Promise.race([process.exited, new Promise((resolve) => setTimeout(resolve, UNSTARTED_MS).unref())])
  } catch {
    // It has ended just now.
  }
}

function exitOf({ status }: TaskProcess): ProcessExit {
  return status.kind === 'stopped' ? status.exit : { code: 0, exitedAtNs: BigInt(Date.now()) * 1_000_000n }
}
