// tasks.Create: from a container's spec and root file system to a process that waits for its start.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Failure, withSubject } from '../../base/failure.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import { planCgroupLimits } from '../../runtime/plan-cgroup-limits.ts'
import { planContainer } from '../../runtime/plan-container.ts'
import type { Launch } from '../../runtime/plan-types.ts'
import { readMountedFacts, readRootfsFacts } from '../../runtime/read-rootfs-facts.ts'
import { INIT_PROCESS, type Shim, type ShimSettings } from '../../shim/shim.ts'
import { parseStdioUri } from '../client/stdio-uri.ts'
import { admitContainerRoot } from './admit-container-root.ts'
import type { RuntimeChoice, SavedImages } from './by-command.ts'
import { type CommandCreation, createByCommand } from './create-by-command.ts'
import { explainCreateFailure, framed } from './explain-failure.ts'
import { BUILT_IN, commandsFor } from './find-runtime.ts'
import { openRootfs, type RootfsMount, unmountAll } from './open-rootfs.ts'
import { openStdio } from './open-stdio.ts'
import { prepareRestore } from './restore-by-command.ts'
import { createProcess, newTask, type Task, type TaskStreams } from './task.ts'
import { syncOf } from './task-hooks.ts'
import { bundleOf, type TaskHost, taskKey } from './task-host.ts'
import { writeTaskRecord } from './task-record.ts'
import { trackExits, watchOom } from './track-exits.ts'
import { failpoint } from '../failpoints.ts'

export interface CreateTaskRequest {
  namespace: string
  id: string
  spec: RuntimeSpec
  /** The same as it came, for a runtime that is run by command and for hooks, which find no config.json. */
  specText?: string | undefined
  rootfs: readonly RootfsMount[]
  streams: TaskStreams
  runtime?: RuntimeChoice
  /** Not made anew, but brought back from a checkpoint when it is started. */
  saved?: SavedImages
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
  const { namespace, id, streams, rootfs } = request
  const key = taskKey(namespace, id)
  if (host.tasks.has(key)) throw new Failure('already-exists', `task ${id}: already exists`)
  await using undo = new UndoStack((error) =>
    host.log.warn('undo of a task failed', { task: id, error: String(error) }),
  )

  const task = await openTask(host, request)
  makeBundle(host, task, undo)
  failpoint('task.bundle-made')
  writeTaskRecord(task)
  failpoint('task.record-written')
  const stdio = await openStdio(host, { namespace, id, directory: task.bundle }, streams)
  failpoint('task.stdio-opened')
  undo.defer(() => stdio.logger?.close())
  const settings = shimSettings(request, task.bundle)
  const shim = await createFirst(host, task, { ...request, settings, stdio, undo })
  undo.defer(() => shim?.shutdown())
  failpoint('task.shim-spawned')
  stdio.logger?.release()
  task.init.logger = stdio.logger
  task.init.pid = shim?.processes.get(INIT_PROCESS)?.pid ?? 0
  host.tasks.set(key, task)
  if (shim !== undefined) {
    trackExits(host, task, shim)
    watchOom(host, task)
  }
  const { pid } = task.init
  failpoint('task.created')
  const checkpoint = request.saved?.imagePath ?? ''
  host.publish(namespace, { kind: 'create', id, bundle: task.ociBundle, pid, streams, rootfs, checkpoint })
  undo.commit()
  return task
}

/** Undefined where it is the start that brings it into being. */
async function createFirst(
  host: TaskHost,
  task: Task,
  request: CreateTaskRequest & CommandCreation,
): Promise<Shim | undefined> {
  const { commands } = task
  if (commands === undefined) return await createByPlan(host, task, request)
  if (request.saved === undefined) return await createByCommand(host, task, commands, request)
  await prepareRestore(host, task, commands, { ...request, saved: request.saved })
  return undefined
}

async function openTask(host: TaskHost, request: CreateTaskRequest): Promise<Task> {
  const { namespace, id, spec } = request
  const chosen = request.runtime ?? BUILT_IN
  const runtime = request.saved === undefined ? chosen : { ...chosen, isOwnProgram: true }
  const bundle =
    request.ociBundle === undefined ? bundleOf(host, namespace, id) : join(request.ociBundle, OWN_DIRECTORY)
  const ociBundle = request.ociBundle ?? bundle
  const cgroupsPath = spec.linux?.cgroupsPath ?? `/${namespace}/${id}`
  const cgroup = await host.openCgroup({ cgroupsPath, id, systemd: runtime.systemdCgroup })
  const commands = requireCommands(host, runtime, { namespace, id, bundle, ociBundle })
  const init = createProcess(id, request.streams)
  return newTask({ namespace, id, bundle, ociBundle, spec, runtime, commands, cgroup, init, execs: new Map() })
}

function requireCommands(
  host: TaskHost,
  choice: RuntimeChoice,
  place: Parameters<typeof commandsFor>[2],
): ReturnType<typeof commandsFor> {
  try {
    return commandsFor(host, choice, place)
  } catch (error) {
    throw framed(host, 'failed to create shim task: ', withSubject('OCI runtime create failed', error))
  }
}

/** A bundle directory that no task owns is what a crash left: it is replaced. */
function makeBundle(host: TaskHost, { bundle, spec }: Task, undo: UndoStack): void {
  // What is mounted there is somebody's data. Synchronous: in a tmpfs that is done sooner than a thread of the pool is woken.
  unmountAll(host.kernel, join(bundle, 'rootfs'))
  rmSync(bundle, { recursive: true, force: true })
  mkdirSync(dirname(bundle), { recursive: true, mode: 0o711 })
  mkdirSync(bundle, { mode: 0o700 })
  admitContainerRoot(bundle, spec.linux?.gidMappings)
  mkdirSync(join(bundle, 'rootfs'), { mode: 0o711 })
  undo.defer(() => rm(bundle, { recursive: true, force: true }))
}

/** By our own runtime. */
async function createByPlan(host: TaskHost, task: Task, request: CreateTaskRequest & CommandCreation): Promise<Shim> {
  const { settings, undo } = request
  const { paths } = request.stdio
  const { spec, cgroup, bundle, ociBundle } = task
  const source = resolve(ociBundle, spec.root?.path ?? 'rootfs')
  undo.defer(() => cgroup.remove())
  await cgroup.create(planCgroupLimits(spec.linux?.resources))
  failpoint('task.cgroup-made')
  writeConfigForHooks(task, request)
  const rootfs = openRootfs(host.kernel, request.rootfs, source)
  failpoint('task.rootfs-opened')
  try {
    const described = planContainer({
      id: request.id,
      spec,
      host: host.facts,
      rootfs: readRootfsFacts(host.kernel, rootfs, spec, await readMountedFacts(host.files, rootfs, spec)),
      // Hooks look for the root file system where the caller's bundle has it; in a bundle of our own nothing may be in the way.
      rootfsDirectory: request.ociBundle === undefined ? join(bundle, 'rootfs') : source,
      cgroup: cgroup.entry(),
      stdin: request.streams.stdin !== '',
      ...launchOf(task.runtime),
    })
    for (const warning of described.warnings ?? []) host.log.warn(warning, { task: task.id })
    task.init.described = described
    const options = { onSync: syncOf(task), ...(paths === undefined ? {} : { streams: paths }) }
    const shim = await host.spawnShim(settings, { plan: described.plan }, rootfs, options).catch((error: unknown) => {
      throw explainCreateFailure(host, described, error)
    })
    cgroup.settle()
    return shim
  } finally {
    host.kernel.close(rootfs)
  }
}

/** Hooks are told of the bundle and look into its config.json; nobody else needs it. A caller's bundle has one. */
function writeConfigForHooks({ spec, bundle, ociBundle }: Task, { specText }: CreateTaskRequest): void {
  if (bundle !== ociBundle || specText === undefined) return
  if (Object.values(spec.hooks ?? {}).some((hooks) => hooks !== undefined && hooks.length > 0))
    writeFileSync(join(bundle, 'config.json'), specText, { mode: 0o600 })
}

function launchOf({ noPivot, noNewKeyring }: RuntimeChoice): { launch?: Launch } {
  if (!noPivot && !noNewKeyring) return {}
  return {
    launch: { wait: 'channel', preservedDescriptors: 0, rootless: false, noPivot, noNewKeyring, byShim: true },
  }
}

function shimSettings(request: CreateTaskRequest, bundle: string): ShimSettings {
  const stdio = parseStdioUri(request.streams.stdout) ?? parseStdioUri(request.streams.stdin)
  return {
    bundle,
    label: taskKey(request.namespace, request.id),
    streamSocketPath: stdio?.socketPath,
    log: stdio?.log,
    stdinOnce: stdio?.stdinOnce ?? false,
    spillMaxBytes: SPILL_MAX_BYTES,
    stallSeconds: STALL_SECONDS,
    lingerSeconds: LINGER_SECONDS,
  }
}
