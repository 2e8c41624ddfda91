// containerd.services.tasks.v1 over the runtimes: requests are unpacked, results are packed, nothing is decided here but whose a task is.
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { EmptySchema } from '@bufbuild/protobuf/wkt'
import type { CallContext, ServiceHandlers } from '../../wire/grpc/service.ts'
import { Failure, isFailure } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import type { Metric } from '../../gen/types/metric_pb.ts'
import { MetricSchema } from '../../gen/types/metric_pb.ts'
import { type ProcessSchema, Status } from '../../gen/types/task_pb.ts'
import type { Tasks } from '../../gen/services/tasks_pb.ts'
import type { CheckpointStore } from '../checkpoints/checkpoint-store.ts'
import { lookupIn, parseFilters } from '../filters/parse-filter.ts'
import type { TaskHandle, TaskProcessState, TaskRuntime, TaskStatus } from '../tasks/task-runtime.ts'
import type { Any } from '../../wire/shim-v2/messages.ts'
import { leaseOf } from './call-namespace.ts'
import { timestampOf } from './timestamp.ts'

export interface TasksServiceDeps {
  /** Every runtime that may have tasks. */
  runtimes: readonly TaskRuntime[]
  /** Who serves a runtime of this name, or a shim of this path. */
  runtimeOf(name: string): TaskRuntime
  checkpoints: CheckpointStore
  /** A container's record; throws not-found. */
  containerOf(
    namespace: string,
    containerId: string,
  ): { spec?: Any | undefined; runtime?: { name: string; options?: Any | undefined } | undefined }
  /** The caller's namespace, from the request's metadata. */
  namespaceOf(context: CallContext): string
  log: Log
}

export function createTasksService(deps: TasksServiceDeps): ServiceHandlers<typeof Tasks> {
  const find = (namespace: string, id: string) => {
    for (const runtime of deps.runtimes) {
      const task = runtime.find(namespace, id)
      if (task !== undefined) return task
    }
    return undefined
  }
  const taskOf = (request: { containerId: string }, context: CallContext): TaskHandle => {
    const task = find(deps.namespaceOf(context), request.containerId)
    if (task === undefined) throw new Failure('not-found', `task ${request.containerId} not found: not found`)
    return task
  }
  const tasksOf = (context: CallContext): TaskHandle[] => {
    const namespace = deps.namespaceOf(context)
    return deps.runtimes.flatMap((runtime) => runtime.list(namespace))
  }
  const empty = () => create(EmptySchema)
  const creating = new Set<string>()
  return {
    async create(request, context) {
      const namespace = deps.namespaceOf(context)
      const { containerId: id, rootfs, stdin, stdout, stderr, terminal } = request
      const { spec, runtime: recorded } = deps.containerOf(namespace, id)
      const key = `${namespace}/${id}`
      if (creating.has(key) || find(namespace, id) !== undefined)
        throw new Failure('already-exists', `task ${id}: already exists`)
      creating.add(key)
      try {
        const options = request.options?.value.length ? request.options : recorded?.options
        const { checkpoint: asked, options: own } = request
        await using checkpoint = await deps.checkpoints.open(
          { namespace, checkpoint: asked, options: own },
          context.signal,
        )
        const runtime = request.runtimePath || (recorded?.name ?? '')
        const task = await deps.runtimeOf(runtime).create({
          namespace,
          id,
          spec,
          rootfs,
          streams: { stdin, stdout, stderr, terminal },
          runtime,
          options,
          checkpoint: checkpoint.path,
          signal: context.signal,
        })
        return { containerId: id, pid: task.pid }
      } finally {
        creating.delete(key)
      }
    },
    async start(request, context) {
      return { pid: await taskOf(request, context).start(request.execId) }
    },
    async delete(request, context) {
      const task = taskOf(request, context)
      const { pid, exit } = await task.delete()
      return { id: task.id, pid, exitStatus: exit.code, exitedAt: timestampOf(exit.exitedAtNs) }
    },
    async deleteProcess(request, context) {
      const { pid, exit } = await taskOf(request, context).deleteExec(request.execId)
      return { id: request.execId, pid, exitStatus: exit.code, exitedAt: timestampOf(exit.exitedAtNs) }
    },
    async get(request, context) {
      const task = taskOf(request, context)
      return { process: describe(task, await task.state(request.execId)) }
    },
    async list(_request, context) {
      const states = tasksOf(context).map(async (task) => [describe(task, await task.state(''))])
      return { tasks: await those(states, deps.log) }
    },
    async kill(request, context) {
      await taskOf(request, context).kill(request.execId, request.signal, request.all)
      return empty()
    },
    async exec(request, context) {
      const { execId, spec, stdin, stdout, stderr, terminal } = request
      if (execId === '') throw new Failure('invalid-argument', 'exec id cannot be empty')
      await taskOf(request, context).exec({ execId, spec, streams: { stdin, stdout, stderr, terminal } })
      return empty()
    },
    async resizePty(request, context) {
      await taskOf(request, context).resize(request.execId, { rows: request.height, columns: request.width })
      return empty()
    },
    async closeIO(request, context) {
      const task = taskOf(request, context)
      if (request.stdin) await task.closeStdin(request.execId)
      return empty()
    },
    async pause(request, context) {
      await taskOf(request, context).pause()
      return empty()
    },
    async resume(request, context) {
      await taskOf(request, context).resume()
      return empty()
    },
    async listPids(request, context) {
      return { processes: (await taskOf(request, context).list()).map(withoutUndefined) }
    },
    async checkpoint(request, context) {
      const task = taskOf(request, context)
      const { spec } = deps.containerOf(task.namespace, task.id)
      const taken = await deps.checkpoints.take(task, { spec, options: request.options, leaseId: leaseOf(context) })
      return { descriptors: taken.map(({ size, ...rest }) => ({ ...rest, size: BigInt(size) })) }
    },
    async update(request, context) {
      await taskOf(request, context).update(request.resources, request.annotations)
      return empty()
    },
    async metrics(request, context) {
      const matches = parseFilters(request.filters)
      const wanted = tasksOf(context).filter(({ id, namespace }) => matches(lookupIn({ id, namespace }, {})))
      return { metrics: await those(wanted.map(metricsOf), deps.log) }
    },
    async wait(request, context) {
      const exit = await taskOf(request, context).wait(request.execId, context.signal)
      return { exitStatus: exit.code, exitedAt: timestampOf(exit.exitedAtNs) }
    },
  }
}

/** What could be had. A task may go, or its shim fall silent, while somebody asks for all of them. */
async function those<T>(answers: readonly Promise<readonly T[]>[], log: Log): Promise<T[]> {
  const settled = await Promise.allSettled(answers)
  return settled.flatMap((outcome) => {
    if (outcome.status === 'fulfilled') return [...outcome.value]
    if (!isFailure(outcome.reason, 'not-found')) log.warn('asking a task failed', { error: String(outcome.reason) })
    return []
  })
}

async function metricsOf(task: TaskHandle): Promise<Metric[]> {
  const timestamp = timestampOf(BigInt(Date.now()) * 1_000_000n)
  const data = await task.stats()
  return data === undefined ? [] : [create(MetricSchema, { id: task.id, timestamp, data })]
}

const STATUS: Record<TaskStatus, Status> = {
  unknown: Status.UNKNOWN,
  created: Status.CREATED,
  running: Status.RUNNING,
  stopped: Status.STOPPED,
  paused: Status.PAUSED,
  pausing: Status.PAUSING,
}

function describe(
  task: TaskHandle,
  { id, pid, status, streams, exit }: TaskProcessState,
): MessageInitShape<typeof ProcessSchema> {
  const { stdin, stdout, stderr, terminal } = streams
  const exited = exit === undefined ? {} : { exitStatus: exit.code, exitedAt: timestampOf(exit.exitedAtNs) }
  return { containerId: task.id, id, pid, status: STATUS[status], stdin, stdout, stderr, terminal, ...exited }
}

function withoutUndefined({ pid, info }: { pid: number; info?: Any | undefined }): { pid: number; info?: Any } {
  return info === undefined ? { pid } : { pid, info }
}
