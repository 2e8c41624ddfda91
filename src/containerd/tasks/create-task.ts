// tasks.Create: from a container's spec and root file system to a process that waits for its start.
import { mkdirSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { replaceFileSync } from '../../base/atomic-file.ts'
import { Failure } from '../../base/failure.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import type { Cgroup } from '../../linux/cgroup/cgroup.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import { planCgroupLimits } from '../../runtime/plan-cgroup-limits.ts'
import { planContainer } from '../../runtime/plan-container.ts'
import type { DescribedPlan } from '../../runtime/plan-types.ts'
import { readRootfsFacts } from '../../runtime/read-rootfs-facts.ts'
import { INIT_PROCESS, type ShimSettings } from '../../shim/shim.ts'
import { parseStdioUri } from '../client/stdio-uri.ts'
import { explainCreateFailure } from './explain-failure.ts'
import { openRootfs, type RootfsMount } from './open-rootfs.ts'
import { createProcess, type Task, type TaskRecord, type TaskStreams } from './task.ts'
import { bundleOf, type TaskHost, taskKey } from './task-host.ts'
import { trackExits } from './track-exits.ts'

export interface CreateTaskRequest {
  namespace: string
  id: string
  spec: RuntimeSpec
  rootfs: readonly RootfsMount[]
  streams: TaskStreams
}

/** An attach client may leave so much unread before output waits for it; see native/README.md. */
const SPILL_MAX_BYTES = 256 * 1024 * 1024
const STALL_SECONDS = 60
/** A shim whose container has ended and whom no daemon asks for anything stays this long: its records stay anyway. */
const LINGER_SECONDS = 3600

/** Resolves when the first process is created; it runs nothing of the image yet. Everything is undone on failure. */
export async function createTask(host: TaskHost, request: CreateTaskRequest): Promise<Task> {
  const { namespace, id, spec } = request
  const key = taskKey(namespace, id)
  const bundle = bundleOf(host, namespace, id)
  if (host.tasks.has(key)) throw new Failure('already-exists', `task ${id}: already exists`)
  await using undo = new UndoStack((error) =>
    host.log.warn('undo of a task failed', { task: id, error: String(error) }),
  )

  makeBundle(bundle, undo)
  const cgroup = host.openCgroup(spec.linux?.cgroupsPath ?? `/${namespace}/${id}`)
  writeTaskRecord(bundle, {
    version: 1,
    namespace,
    id,
    cgroupPath: cgroup.path,
    streams: request.streams,
    execs: {},
    spec,
  })
  undo.defer(() => cgroup.remove())
  cgroup.create(planCgroupLimits(spec.linux?.resources))

  const rootfs = openRootfs(host.kernel, request.rootfs, resolve(bundle, spec.root?.path ?? 'rootfs'))
  try {
    const described = planTask(host, request, cgroup, bundle, rootfs)
    const init = createProcess(id, request.streams, described)
    const task: Task = {
      namespace,
      id,
      bundle,
      spec,
      cgroup,
      init,
      execs: new Map(),
      shim: undefined,
      oomKillsTold: 0,
      deleting: false,
    }
    const shim = await host.spawnShim(shimSettings(request, bundle), described.plan, rootfs).catch((error: unknown) => {
      throw explainCreateFailure(described, error)
    })
    undo.defer(() => shim.shutdown())
    init.pid = shim.processes.get(INIT_PROCESS)?.pid ?? 0
    host.tasks.set(key, task)
    trackExits(host, task, shim)
    host.publish(namespace, { kind: 'create', id, bundle, pid: init.pid, streams: request.streams })
    undo.commit()
    return task
  } finally {
    host.kernel.close(rootfs)
  }
}

/** A bundle directory that no task owns is what a crash left: it is replaced. */
function makeBundle(bundle: string, undo: UndoStack): void {
  // Synchronous: in a tmpfs that is done sooner than a thread of the pool is woken.
  rmSync(bundle, { recursive: true, force: true })
  mkdirSync(join(bundle, 'rootfs'), { recursive: true, mode: 0o711 })
  undo.defer(() => rm(bundle, { recursive: true, force: true }))
}

function planTask(
  host: TaskHost,
  request: CreateTaskRequest,
  cgroup: Cgroup,
  bundle: string,
  rootfs: number,
): DescribedPlan {
  return planContainer({
    id: request.id,
    spec: request.spec,
    host: host.facts,
    rootfs: readRootfsFacts(host.kernel, rootfs, request.spec),
    rootfsDirectory: join(bundle, 'rootfs'),
    cgroup: cgroup.entry(),
    stdin: request.streams.stdin !== '',
  })
}

function shimSettings(request: CreateTaskRequest, bundle: string): ShimSettings {
  const stdio = parseStdioUri(request.streams.stdout) ?? parseStdioUri(request.streams.stdin)
  return {
    bundle,
    label: taskKey(request.namespace, request.id),
    streamSocketPath: stdio?.socketPath,
    log: stdio?.log && { driver: 'json-file', ...stdio.log },
    stdinOnce: stdio?.stdinOnce ?? false,
    spillMaxBytes: SPILL_MAX_BYTES,
    stallSeconds: STALL_SECONDS,
    lingerSeconds: LINGER_SECONDS,
  }
}

export const TASK_RECORD = 'task.json'

export function writeTaskRecord(bundle: string, record: TaskRecord): void {
  replaceFileSync(join(bundle, TASK_RECORD), JSON.stringify(record))
}

/** The record as this task's state would write it now. */
export function recordOf(task: Task): TaskRecord {
  const execs = Object.fromEntries([...task.execs].map(([id, process]) => [id, process.streams]))
  return {
    version: 1,
    namespace: task.namespace,
    id: task.id,
    cgroupPath: task.cgroup.path,
    streams: task.init.streams,
    execs,
    spec: task.spec,
  }
}
