// The small verbs on a task's processes: kill, pause, resume, update, list, resize, close-io.
import { Failure, messageOf } from '../../base/failure.ts'
import { ERRNO } from '../../linux/kernel-error.ts'
import type { ResourcesSpec } from '../../oci/runtime-spec.ts'
import { planCgroupLimits } from '../../runtime/plan-cgroup-limits.ts'
import { INIT_PROCESS, StepFailure } from '../../shim/shim.ts'
import type { RuntimeCommands } from './by-command.ts'
import { ProcessDetails } from '../../wire/shim-v2/messages.ts'
import { requireProcess, requireShim, type Task } from './task.ts'
import type { TaskHost } from './task-host.ts'
import type { ListedProcess } from './task-runtime.ts'

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
  if (!all && process.status.kind === 'stopped') throw alreadyFinished()
  // Of what is inside, the runtime may know more than its processes on the host.
  if (task.commands !== undefined && execId === '') return await killByCommand(task.commands, signal, all)
  if (all && signal === SIGKILL) return task.cgroup.killAll()
  if (all) {
    for (const pid of task.cgroup.pids()) killIfThere(host, pid, signal)
    return
  }
  if (process.pid === 0) throw new Failure('failed-precondition', 'process not created: failed precondition')
  try {
    await requireShim(task).kill(execId === '' ? INIT_PROCESS : execId, signal)
  } catch (error) {
    // It has ended, and the news of that is on its way.
    if (error instanceof StepFailure && error.errno === ERRNO.ESRCH) throw alreadyFinished()
    throw error
  }
}

/** Runtimes say in several ways that there is nobody to kill. */
async function killByCommand(commands: RuntimeCommands, signal: number, all: boolean): Promise<void> {
  try {
    await commands.run('kill', 'unknown error after kill', { flags: all ? ['--all'] : [], after: [String(signal)] })
  } catch (error) {
    const text = messageOf(error)
    if (/process already finished|container not running|is not running|no such process/i.test(text))
      throw alreadyFinished()
    if (/does not exist/.test(text)) throw new Failure('not-found', 'no such container: not found', { cause: error })
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
  if (task.commands === undefined) await task.cgroup.freeze()
  else await task.commands.run('pause', 'OCI runtime pause failed')
  host.publish(task.namespace, { kind: 'paused', id: task.id })
}

export async function resumeTask(host: TaskHost, task: Task): Promise<void> {
  if (task.commands === undefined) await task.cgroup.thaw()
  else await task.commands.run('resume', 'OCI runtime resume failed')
  host.publish(task.namespace, { kind: 'resumed', id: task.id })
}

/** `linux.resources` of what shall be changed. */
export async function updateTask(task: Task, resources: ResourcesSpec, text: string): Promise<void> {
  if (task.commands === undefined) await task.cgroup.update(planCgroupLimits(resources))
  else await task.commands.run('update', 'OCI runtime update failed', { flags: ['--resources', '-'], input: text })
}

async function listTaskPids(task: Task): Promise<number[]> {
  if (task.commands === undefined) return task.cgroup.pids()
  const listed: unknown = JSON.parse(
    await task.commands.run('ps', 'OCI runtime ps failed', { flags: ['--format', 'json'] }),
  )
  return Array.isArray(listed) ? listed.filter((pid) => Number.isInteger(pid)) : []
}

/** Pids on the host, those of execs with their names. */
export async function listTaskProcesses(task: Task): Promise<ListedProcess[]> {
  const execs = new Map([...task.execs.values()].map(({ pid, id }) => [pid, id]))
  return (await listTaskPids(task)).map((pid) => {
    const execId = execs.get(pid)
    if (execId === undefined) return { pid }
    return { pid, info: { typeUrl: 'containerd.runc.v1.ProcessDetails', value: ProcessDetails.encode({ execId }) } }
  })
}

/** Of a process that has ended nobody resizes anything: callers do not wait for the news. */
export async function resizeTask(task: Task, execId: string, size: { rows: number; columns: number }): Promise<void> {
  const process = requireProcess(task, execId)
  if (process.make !== undefined) process.size = size
  else if (process.status.kind !== 'stopped')
    await requireShim(task)
      .resize(execId === '' ? INIT_PROCESS : execId, size)
      .catch(ignoreEnded)
}

export async function closeTaskStdin(task: Task, execId: string): Promise<void> {
  requireProcess(task, execId)
  await requireShim(task).closeStdin(execId === '' ? INIT_PROCESS : execId)
}

function ignoreEnded(error: unknown): void {
  if (!(error instanceof StepFailure && error.errno === ERRNO.ESRCH)) throw error
}
