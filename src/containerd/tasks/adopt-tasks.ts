// After a restart: every bundle on disk becomes a task again. A live shim is right about its processes; a dead one's records are.
import { readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../base/failure.ts'
import { INIT_PROCESS, type Shim } from '../../shim/shim.ts'
import { commandsFor } from './find-runtime.ts'
import { unmountAll } from './open-rootfs.ts'
import { createProcess, newTask, type Task, type TaskProcess } from './task.ts'
import { type TaskHost, taskKey } from './task-host.ts'
import { readExecRecords, readTaskRecord, removeExecRecord, type TaskRecord } from './task-record.ts'
import { settleWithoutShim, trackExits, watchOom } from './track-exits.ts'
import { failpoint } from '../failpoints.ts'

/** Call once, before the service answers. */
export async function adoptTasks(host: TaskHost): Promise<void> {
  const bundles = listDirectories(host.directory).flatMap((namespace) =>
    listDirectories(join(host.directory, namespace)).map((id) => join(host.directory, namespace, id)),
  )
  await Promise.all(
    bundles.map((bundle) =>
      // One that cannot be read keeps nobody from the others; it stays as it is.
      adoptBundle(host, bundle).catch((error: unknown) =>
        host.log.error('a task is not adopted', { bundle, error: messageOf(error) }),
      ),
    ),
  )
}

async function adoptBundle(host: TaskHost, bundle: string): Promise<void> {
  failpoint('adopt.begun')
  const record = readTaskRecord(bundle)
  if (record === undefined) {
    // The crash came before the record, hence before anything was made in the kernel. What is mounted after all is somebody's data.
    unmountAll(host.kernel, join(bundle, 'rootfs'))
    await rm(bundle, { recursive: true, force: true })
    failpoint('adopt.bundle-removed')
    return
  }
  const task = taskOf(host, bundle, record)
  host.tasks.set(taskKey(task.namespace, task.id), task)
  const shim = await host.connectShim(bundle)
  if (shim === undefined) await settleWithoutShim(host, task).then(() => failpoint('adopt.settled'))
  else {
    adoptProcesses(task, shim)
    trackExits(host, task, shim)
    watchOom(host, task)
  }
  failpoint('adopt.adopted')
  host.log.info('adopted a task', { task: task.id, status: task.init.status.kind })
}

function adoptProcesses(task: Task, shim: Shim): void {
  for (const state of shim.processes.values()) {
    const process = state.process === INIT_PROCESS ? task.init : task.execs.get(state.process)
    if (process === undefined) continue
    process.pid = state.pid
    if (state.state === 'running') process.status = { kind: 'running' }
  }
  for (const id of [...task.execs.keys()]) {
    if (shim.processes.has(id)) continue
    task.execs.delete(id)
    removeExecRecord(task, id)
  }
}

function taskOf(host: TaskHost, bundle: string, record: TaskRecord): Task {
  const { namespace, id, spec, runtime, ociBundle } = record
  const execs = new Map<string, TaskProcess>(
    Object.entries({ ...record.execs, ...readExecRecords(bundle) }).map(([name, streams]) => [
      name,
      createProcess(name, streams),
    ]),
  )
  const commands = commandsFor(host, runtime, { namespace, id, bundle, ociBundle })
  const cgroup = host.reopenCgroup(record.cgroup)
  const init = createProcess(id, record.streams)
  return newTask({ namespace, id, bundle, ociBundle, spec, runtime, commands, cgroup, init, execs })
}

function listDirectories(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
