// containerd.services.tasks.v1 over the task verbs: requests are unpacked, results are packed, nothing is decided here.
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { type Any, AnySchema, EmptySchema } from '@bufbuild/protobuf/wkt'
import type { CallContext, ServiceHandlers } from '../../wire/grpc/service.ts'
import { Failure } from '../../base/failure.ts'
import { MetricSchema } from '../../gen/types/metric_pb.ts'
import { ProcessInfoSchema, type ProcessSchema, Status } from '../../gen/types/task_pb.ts'
import type { Container_Runtime } from '../../gen/services/containers_pb.ts'
import type { CreateTaskRequest, Tasks } from '../../gen/services/tasks_pb.ts'
import { parseProcess, parseResources } from '../../runtime/parse-runtime-spec.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import {
  closeTaskStdin,
  killTask,
  listTaskPids,
  pauseTask,
  resizeTask,
  resumeTask,
  updateTask,
} from '../tasks/control-task.ts'
import { RUNTIME_SPEC_TYPE } from '../client/any.ts'
import type { ContentStore } from '../content/content-store.ts'
import type { SavedImages } from '../tasks/by-command.ts'
import { checkpointTask } from '../tasks/checkpoint-task.ts'
import { createTask } from '../tasks/create-task.ts'
import { deleteExec, deleteTask } from '../tasks/delete-task.ts'
import { execTask } from '../tasks/exec-task.ts'
import { startTask } from '../tasks/start-task.ts'
import { requireProcess, type Task, type TaskProcess } from '../tasks/task.ts'
import { requireTask, type TaskHost } from '../tasks/task-host.ts'
import { leaseOf } from './call-namespace.ts'
import { parseCheckpointOptions, storeCheckpoint, unpackCheckpoint } from './checkpoint-content.ts'
import { criuPathsOf, runtimeOf } from './runtime-choice.ts'
import { timestampOf } from './timestamp.ts'

export interface TasksServiceDeps {
  host: TaskHost
  /** Where checkpoints go, and come from. */
  content: ContentStore
  /** A container's record; throws not-found. */
  containerOf(
    namespace: string,
    containerId: string,
  ): { spec: RuntimeSpec; specText: string; runtime: Container_Runtime | undefined }
  /** The caller's namespace, from the request's metadata. */
  namespaceOf(context: CallContext): string
}

/** The type of the Any that `Metrics` answers with: JSON of CgroupStats, 64-bit numbers as decimal strings. */
export const CGROUP_STATS_TYPE = 'berth.cgroup.stats'

export function createTasksService(deps: TasksServiceDeps): ServiceHandlers<typeof Tasks> {
  const { host } = deps
  const taskOf = (request: { containerId: string }, context: CallContext) =>
    requireTask(host, deps.namespaceOf(context), request.containerId)
  const empty = () => create(EmptySchema)
  return {
    async create(request, context) {
      const namespace = deps.namespaceOf(context)
      const { containerId: id, rootfs, stdin, stdout, stderr, terminal } = request
      const streams = { stdin, stdout, stderr, terminal }
      const { spec, specText, runtime: recorded } = deps.containerOf(namespace, id)
      const runtime = runtimeOf(recorded, request.options)
      const saved = savedImages(deps.content, namespace, request)
      const task = await createTask(host, { namespace, id, spec, specText, rootfs, streams, runtime, ...saved })
      return { containerId: id, pid: task.init.pid }
    },
    async start(request, context) {
      return { pid: await startTask(host, taskOf(request, context), request.execId) }
    },
    async delete(request, context) {
      const task = taskOf(request, context)
      const exit = await deleteTask(host, task)
      return { id: task.id, pid: task.init.pid, exitStatus: exit.code, exitedAt: timestampOf(exit.exitedAtNs) }
    },
    async deleteProcess(request, context) {
      const task = taskOf(request, context)
      const { pid } = requireProcess(task, request.execId)
      const exit = await deleteExec(host, task, request.execId)
      return { id: request.execId, pid, exitStatus: exit.code, exitedAt: timestampOf(exit.exitedAtNs) }
    },
    async get(request, context) {
      const task = taskOf(request, context)
      return { process: describe(task, requireProcess(task, request.execId)) }
    },
    async list(_request, context) {
      const namespace = deps.namespaceOf(context)
      return { tasks: tasksIn(host, namespace).map((task) => describe(task, task.init)) }
    },
    async kill(request, context) {
      await killTask(host, taskOf(request, context), request.execId, request.signal, request.all)
      return empty()
    },
    async exec(request, context) {
      const { stdin, stdout, stderr, terminal } = request
      const spec = { ...parseProcess(jsonOf(request.spec), 'process'), terminal }
      await execTask(host, taskOf(request, context), request.execId, spec, { stdin, stdout, stderr, terminal })
      return empty()
    },
    async resizePty(request, context) {
      await resizeTask(taskOf(request, context), request.execId, { rows: request.height, columns: request.width })
      return empty()
    },
    async closeIO(request, context) {
      if (request.stdin) await closeTaskStdin(taskOf(request, context), request.execId)
      return empty()
    },
    async pause(request, context) {
      await pauseTask(host, taskOf(request, context))
      return empty()
    },
    async resume(request, context) {
      await resumeTask(host, taskOf(request, context))
      return empty()
    },
    async listPids(request, context) {
      return {
        processes: (await listTaskPids(taskOf(request, context))).map((pid) => create(ProcessInfoSchema, { pid })),
      }
    },
    async checkpoint(request, context) {
      const task = taskOf(request, context)
      const options = parseCheckpointOptions(request.options)
      if (options.imagePath !== '') {
        await checkpointTask(host, task, options.imagePath, options)
        return {}
      }
      const images = await mkdtemp(join(task.bundle, 'checkpoint-'))
      try {
        await checkpointTask(host, task, images, options)
        const owner = { namespace: task.namespace, leaseId: leaseOf(context) }
        const { specText } = deps.containerOf(task.namespace, task.id)
        const spec = create(AnySchema, { typeUrl: RUNTIME_SPEC_TYPE, value: Buffer.from(specText) })
        return { descriptors: await storeCheckpoint(deps.content, owner, images, spec) }
      } finally {
        await rm(images, { recursive: true, force: true })
      }
    },
    async update(request, context) {
      const resources = jsonOf(request.resources)
      await updateTask(taskOf(request, context), parseResources(resources, 'resources'), JSON.stringify(resources))
      return empty()
    },
    async metrics(request, context) {
      const wanted = request.filters.flatMap((filter) => /^id==(.+)$/.exec(filter)?.[1] ?? [])
      const tasks = tasksIn(host, deps.namespaceOf(context)).filter(
        (task) => wanted.length === 0 || wanted.includes(task.id),
      )
      return { metrics: tasks.map(metricOf) }
    },
    async wait(request, context) {
      const exit = await requireProcess(taskOf(request, context), request.execId).exited
      return { exitStatus: exit.code, exitedAt: timestampOf(exit.exitedAtNs) }
    },
  }
}

/** A directory that the options name, or a blob that the request does. */
function savedImages(
  content: ContentStore,
  namespace: string,
  { options, checkpoint }: CreateTaskRequest,
): { saved?: SavedImages } {
  const { criuImagePath: imagePath, criuWorkPath: workPath } = criuPathsOf(options)
  if (imagePath !== '') return { saved: { imagePath, workPath } }
  if (checkpoint === undefined) return {}
  const fill = (directory: string) => unpackCheckpoint(content, namespace, checkpoint, directory)
  return { saved: { imagePath: '', workPath, fill } }
}

function tasksIn(host: TaskHost, namespace: string): Task[] {
  return [...host.tasks.values()].filter((task) => task.namespace === namespace)
}

function describe(task: Task, process: TaskProcess): MessageInitShape<typeof ProcessSchema> {
  const { status, streams } = process
  const exit =
    status.kind === 'stopped' ? { exitStatus: status.exit.code, exitedAt: timestampOf(status.exit.exitedAtNs) } : {}
  const { stdin, stdout, stderr, terminal } = streams
  return {
    containerId: task.id,
    id: process.id,
    pid: process.pid,
    status: statusOf(task, process),
    stdin,
    stdout,
    stderr,
    terminal,
    ...exit,
  }
}

function statusOf(task: Task, process: TaskProcess): Status {
  switch (process.status.kind) {
    case 'created':
      return Status.CREATED
    case 'running':
      return task.cgroup.isFrozen() ? Status.PAUSED : Status.RUNNING
    case 'stopped':
      return Status.STOPPED
  }
}

function metricOf(task: Task) {
  const json = JSON.stringify(task.cgroup.stats(), (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  )
  const data = create(AnySchema, { typeUrl: CGROUP_STATS_TYPE, value: Buffer.from(json) })
  return create(MetricSchema, { id: task.id, timestamp: timestampOf(BigInt(Date.now()) * 1_000_000n), data })
}

/** Specs travel as JSON in an Any whose type URL clients spell in several ways; the value is what counts. */
function jsonOf(any: Any | undefined): unknown {
  if (any === undefined) throw new Failure('invalid-argument', 'a spec is required: invalid argument')
  try {
    return JSON.parse(Buffer.from(any.value).toString('utf8'))
  } catch (error) {
    throw new Failure('invalid-argument', `spec of type ${any.typeUrl} is not JSON: invalid argument`, { cause: error })
  }
}
