// tasks.Exec: a further process in a running container.
import { Failure, messageOf } from '../../base/failure.ts'
import { parseStdioUri } from '../client/stdio-uri.ts'
import { checkIdentifier } from '../identifier.ts'
import { AT_FDCWD } from '../../linux/kernel.ts'
import type { ProcessSpec } from '../../oci/runtime-spec.ts'
import { planExec } from '../../runtime/plan-exec.ts'
import { readUserFiles, type UserFiles } from '../../runtime/read-rootfs-facts.ts'
import { makeExecByCommand } from './exec-by-command.ts'
import { explainExecFailure } from './explain-failure.ts'
import { openStdio, type Stdio } from './open-stdio.ts'
import { createProcess, requireShim, type Task, type TaskProcess, type TaskStreams } from './task.ts'
import { syncOf } from './task-hooks.ts'
import type { TaskHost } from './task-host.ts'
import { removeExecRecord, writeExecRecord } from './task-record.ts'
import { failpoint } from '../failpoints.ts'

const O_PATH = 0o10000000
const O_DIRECTORY = 0o200000

/**
 * Registers the process. One whose streams are a stream socket is made in the kernel at once, so that attach clients can connect before it
 * starts: then a missing program fails here, with runc's words. Any other is made when it is started: original clients hand over their input
 * as soon as somebody reads the FIFO, and ctr, at its end by then, would close the input of a process that it does not know yet.
 */
export async function execTask(
  host: TaskHost,
  task: Task,
  execId: string,
  spec: ProcessSpec,
  streams: TaskStreams,
): Promise<void> {
  if ((parseStdioUri(streams.stdout) ?? parseStdioUri(streams.stdin)) === undefined)
    return registerExec(host, task, execId, spec, streams)
  const process = addExec(host, task, execId, spec, streams)
  try {
    await makeExec(process)
  } catch (error) {
    task.execs.delete(execId)
    throw error
  }
  host.publish(task.namespace, { kind: 'exec-added', id: task.id, execId })
}

/** As a shim does it: the process is made when it is started, and not before. */
export function registerExec(
  host: TaskHost,
  task: Task,
  execId: string,
  spec: ProcessSpec,
  streams: TaskStreams,
): void {
  addExec(host, task, execId, spec, streams)
  host.publish(task.namespace, { kind: 'exec-added', id: task.id, execId })
}

/** Makes a process that is only registered, up to where it waits for its start. */
export async function makeExec(process: TaskProcess): Promise<void> {
  const { make } = process
  process.make = undefined
  await make?.()
}

function addExec(host: TaskHost, task: Task, execId: string, spec: ProcessSpec, streams: TaskStreams): TaskProcess {
  checkExecId(execId)
  if (task.execs.has(execId)) throw new Failure('already-exists', `id ${execId}: already exists`)
  if (task.init.status.kind === 'stopped') throw new Failure('unknown', 'cannot exec in a stopped state: unknown')
  const process = createProcess(execId, streams)
  process.make = () => makeInKernel(host, task, process, withSize(spec, process))
  task.execs.set(execId, process)
  return process
}

function checkExecId(execId: string): void {
  try {
    checkIdentifier(execId)
  } catch (error) {
    throw new Failure('invalid-argument', `invalid exec id ${execId}: ${messageOf(error)}`, { cause: error })
  }
}

async function makeInKernel(host: TaskHost, task: Task, process: TaskProcess, spec: ProcessSpec): Promise<void> {
  if (task.init.status.kind !== 'running')
    throw new Failure('failed-precondition', `cannot exec in a ${task.init.status.kind} container: failed precondition`)
  const owner = { namespace: task.namespace, id: process.id, directory: task.bundle }
  const stdio = await openStdio(host, owner, process.streams)
  try {
    writeExecRecord(task, process.id, process.streams)
    failpoint('exec.recorded')
    if (task.commands === undefined) await makeByPlan(host, task, process, spec, stdio)
    else await makeExecByCommand(host, task, task.commands, { process, spec, stdio })
    failpoint('exec.made')
  } catch (error) {
    removeExecRecord(task, process.id)
    await stdio.logger?.close()
    throw error
  }
  stdio.logger?.release()
  process.logger = stdio.logger
}

async function makeByPlan(
  host: TaskHost,
  task: Task,
  process: TaskProcess,
  spec: ProcessSpec,
  { paths }: Stdio,
): Promise<void> {
  const described = planExec({
    spec: task.spec,
    process: spec,
    host: host.facts,
    rootfs: await readTaskRootfs(host, task),
    cgroup: task.cgroup.execEntry({ initPid: task.init.pid }),
    stdin: process.streams.stdin !== '',
    ...(task.runtime.noNewKeyring ? {} : { id: task.id }),
  })
  process.described = described
  try {
    const options = { onSync: syncOf(task), ...(paths === undefined ? {} : { streams: paths }) }
    process.pid = (await requireShim(task).add(process.id, { plan: described.plan }, options)).pid
  } catch (error) {
    throw explainExecFailure(host, described, error)
  }
}

/** A terminal that was resized before its process was there has that size from the beginning. */
function withSize(spec: ProcessSpec, { size }: TaskProcess): ProcessSpec {
  return size === undefined ? spec : { ...spec, consoleSize: { height: size.rows, width: size.columns } }
}

/** The user database as the container sees it now, through the root of its first process. */
async function readTaskRootfs(host: TaskHost, task: Task): Promise<UserFiles> {
  const root = host.kernel.openat2(AT_FDCWD, `/proc/${task.init.pid}/root`, { flags: O_PATH | O_DIRECTORY })
  try {
    return await readUserFiles(host.files, root)
  } finally {
    host.kernel.close(root)
  }
}
