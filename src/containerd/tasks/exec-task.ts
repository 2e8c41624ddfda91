// tasks.Exec: a further process in a running container, registered here, made in the kernel at once so that attach clients can connect before it starts.
import { Failure } from '../../base/failure.ts'
import { checkIdentifier } from '../identifier.ts'
import { AT_FDCWD } from '../../linux/kernel.ts'
import type { ProcessSpec } from '../../oci/runtime-spec.ts'
import { planExec } from '../../runtime/plan-exec.ts'
import { readRootfsFacts } from '../../runtime/read-rootfs-facts.ts'
import { recordOf, writeTaskRecord } from './create-task.ts'
import { explainExecFailure } from './explain-failure.ts'
import { createProcess, requireShim, type Task, type TaskStreams } from './task.ts'
import type { TaskHost } from './task-host.ts'

const O_PATH = 0o10000000
const O_DIRECTORY = 0o200000

/** Resolves when the process waits for its start. A missing program fails here, with runc's words. */
export async function execTask(
  host: TaskHost,
  task: Task,
  execId: string,
  spec: ProcessSpec,
  streams: TaskStreams,
): Promise<void> {
  checkIdentifier(execId)
  if (task.execs.has(execId)) throw new Failure('already-exists', `id ${execId}: already exists`)
  if (task.init.status.kind !== 'running')
    throw new Failure('failed-precondition', `cannot exec in a ${task.init.status.kind} container: failed precondition`)
  const shim = requireShim(task)
  const described = planExec({
    spec: task.spec,
    process: spec,
    host: host.facts,
    rootfs: readTaskRootfs(host, task),
    cgroup: task.cgroup.entry(),
    stdin: streams.stdin !== '',
  })
  const process = createProcess(execId, streams, described)
  task.execs.set(execId, process)
  try {
    writeTaskRecord(task.bundle, recordOf(task))
    process.pid = (await shim.add(execId, described.plan)).pid
  } catch (error) {
    task.execs.delete(execId)
    throw explainExecFailure(described, error)
  }
  host.publish(task.namespace, { kind: 'exec-added', id: task.id, execId })
}

/** The user database as the container sees it now, through the root of its first process. */
function readTaskRootfs(host: TaskHost, task: Task): ReturnType<typeof readRootfsFacts> {
  const root = host.kernel.openat2(AT_FDCWD, `/proc/${task.init.pid}/root`, { flags: O_PATH | O_DIRECTORY })
  try {
    return readRootfsFacts(host.kernel, root)
  } finally {
    host.kernel.close(root)
  }
}
