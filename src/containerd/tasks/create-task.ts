// tasks.Create: from a container's spec and root file system to a process that waits for its start.
import { mkdirSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
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
import { createProcess, type Task, type TaskStreams } from './task.ts'
import { bundleOf, type TaskHost, taskKey } from './task-host.ts'
import { writeTaskRecord } from './task-record.ts'
import { trackExits } from './track-exits.ts'

export interface CreateTaskRequest {
  namespace: string
  id: string
  spec: RuntimeSpec
  rootfs: readonly RootfsMount[]
  streams: TaskStreams
  /** The caller's directory with config.json and the root file system's place, where it has made one; our own files go into `berth` below it. */
  ociBundle?: string
}

/** Below a caller's bundle. */
export const OWN_DIRECTORY = 'berth'

/** An attach client may leave so much unread before output waits for it; see native/README.md. */
const SPILL_MAX_BYTES = 256 * 1024 * 1024
const STALL_SECONDS = 60
/** A shim whose container has ended and whom no daemon asks for anything stays this long: its records stay anyway. */
const LINGER_SECONDS = 3600

/** Resolves when the first process is created; it runs nothing of the image yet. Everything is undone on failure. */
export async function createTask(host: TaskHost, request: CreateTaskRequest): Promise<Task> {
  const { namespace, id, spec } = request
  const key = taskKey(namespace, id)
  const bundle =
    request.ociBundle === undefined ? bundleOf(host, namespace, id) : join(request.ociBundle, OWN_DIRECTORY)
  const ociBundle = request.ociBundle ?? bundle
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
  await cgroup.create(planCgroupLimits(spec.linux?.resources))

  const rootfsDirectory = resolve(ociBundle, spec.root?.path ?? 'rootfs')
  const rootfs = openRootfs(host.kernel, request.rootfs, rootfsDirectory)
  try {
    // Hooks look for the root file system where the caller's bundle has it; in a bundle of our own nothing may be in the way.
    const target = request.ociBundle === undefined ? join(bundle, 'rootfs') : rootfsDirectory
    const described = planTask(host, request, cgroup, target, rootfs)
    const init = createProcess(id, request.streams, described)
    const task: Task = {
      namespace,
      id,
      bundle,
      ociBundle,
      spec,
      cgroup,
      init,
      execs: new Map(),
      shim: undefined,
      oomKillsTold: 0,
      isEnding: false,
      deleting: false,
    }
    const shim = await host.spawnShim(shimSettings(request, bundle), described.plan, rootfs).catch((error: unknown) => {
      throw explainCreateFailure(host, described, error)
    })
    undo.defer(() => shim.shutdown())
    init.pid = shim.processes.get(INIT_PROCESS)?.pid ?? 0
    host.tasks.set(key, task)
    trackExits(host, task, shim)
    host.publish(namespace, {
      kind: 'create',
      id,
      bundle: ociBundle,
      pid: init.pid,
      streams: request.streams,
      rootfs: request.rootfs,
      checkpoint: '',
    })
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
  rootfsDirectory: string,
  rootfs: number,
): DescribedPlan {
  return planContainer({
    id: request.id,
    spec: request.spec,
    host: host.facts,
    rootfs: readRootfsFacts(host.kernel, rootfs, request.spec),
    rootfsDirectory,
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
