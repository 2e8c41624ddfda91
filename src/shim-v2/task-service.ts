// containerd.task.v3 (and v2) over the task verbs: requests are unpacked, results are packed, nothing is decided here.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../base/failure.ts'
import {
  closeTaskStdin,
  killTask,
  listTaskProcesses,
  pauseTask,
  resizeTask,
  resumeTask,
  updateTask,
} from '../containerd/tasks/control-task.ts'
import { checkpointTask } from '../containerd/tasks/checkpoint-task.ts'
import { createTask } from '../containerd/tasks/create-task.ts'
import { deleteExec, deleteTask } from '../containerd/tasks/delete-task.ts'
import { registerExec } from '../containerd/tasks/exec-task.ts'
import { startTask } from '../containerd/tasks/start-task.ts'
import { jsonOf } from '../containerd/tasks/json-of.ts'
import { requireProcess, type Task, type TaskProcess } from '../containerd/tasks/task.ts'
import { type TaskHost, taskKey } from '../containerd/tasks/task-host.ts'
import { parseProcess, parseResources, parseRuntimeSpec } from '../runtime/parse-runtime-spec.ts'
import type { MessageInit } from '../wire/protobuf/message.ts'
import { type TtrpcMethod, ttrpcMethod } from '../wire/ttrpc/serve-ttrpc.ts'
import * as m from '../wire/shim-v2/messages.ts'
import { metricsOf } from '../containerd/tasks/metrics.ts'
import { choiceOf, parseCheckpointOptions, parseRuntimeOptions } from '../containerd/tasks/runtime-options.ts'
import { writeRuntimeOptions } from './runtime-options.ts'

/** The same methods and messages under two names. */
export const TASK_SERVICES = ['containerd.task.v2.Task', 'containerd.task.v3.Task']

export interface TaskServiceDeps {
  host: TaskHost
  namespace: string
  /** No container is left, and nobody will come. */
  stop(): void
}

/** ctr's name for the pid of the first process; `delete` reads it back. */
export const INIT_PID_FILE = 'init.pid'

export function createTaskService({ host, namespace, stop }: TaskServiceDeps): ReadonlyMap<string, TtrpcMethod> {
  const taskOf = ({ id }: { id: string }): Task => {
    const task = host.tasks.get(taskKey(namespace, id))
    if (task === undefined) throw new Failure('not-found', 'container not created: not found')
    return task
  }
  return new Map([
    [
      'Create',
      ttrpcMethod(m.CreateTaskRequest, m.PidResponse, async ({ id, bundle, rootfs, options: asked, ...request }) => {
        const options = parseRuntimeOptions(asked)
        writeRuntimeOptions(bundle, options)
        const spec = parseRuntimeSpec(readFileSync(join(bundle, 'config.json'), 'utf8'))
        const { stdin, stdout, stderr, terminal } = request
        const streams = { stdin, stdout, stderr, terminal }
        const task = await createTask(host, {
          namespace,
          id,
          spec,
          rootfs,
          streams,
          ociBundle: bundle,
          runtime: choiceOf(options),
          ...(request.checkpoint === ''
            ? {}
            : { saved: { imagePath: request.checkpoint, workPath: options.criuWorkPath } }),
        })
        if (request.checkpoint === '')
          writeFileSync(join(bundle, INIT_PID_FILE), String(task.init.pid), { mode: 0o644 })
        return { pid: task.init.pid }
      }),
    ],
    [
      'Start',
      ttrpcMethod(m.ProcessRequest, m.PidResponse, async (request) => ({
        pid: await startTask(host, taskOf(request), request.execId),
      })),
    ],
    [
      'Delete',
      ttrpcMethod(m.ProcessRequest, m.DeleteResponse, async (request) => {
        const task = taskOf(request)
        const { pid } = requireProcess(task, request.execId)
        const exit = request.execId === '' ? await deleteTask(host, task) : await deleteExec(host, task, request.execId)
        return { pid, exitStatus: exit.code, exitedAt: m.timestampOf(exit.exitedAtNs) }
      }),
    ],
    [
      'Exec',
      ttrpcMethod(m.ExecProcessRequest, m.Empty, (request) => {
        const { stdin, stdout, stderr, terminal } = request
        const process = { ...parseProcess(jsonOf(request.spec), 'process'), terminal }
        registerExec(host, taskOf(request), request.execId, process, { stdin, stdout, stderr, terminal })
        return {}
      }),
    ],
    [
      'State',
      ttrpcMethod(m.ProcessRequest, m.StateResponse, (request) => {
        const task = taskOf(request)
        return describe(task, requireProcess(task, request.execId))
      }),
    ],
    [
      'Kill',
      ttrpcMethod(m.KillRequest, m.Empty, async (request) => {
        await killTask(host, taskOf(request), request.execId, request.signal, request.all)
        return {}
      }),
    ],
    [
      'Pause',
      ttrpcMethod(m.ContainerRequest, m.Empty, async (request) => {
        await pauseTask(host, taskOf(request))
        return {}
      }),
    ],
    [
      'Resume',
      ttrpcMethod(m.ContainerRequest, m.Empty, async (request) => {
        await resumeTask(host, taskOf(request))
        return {}
      }),
    ],
    [
      'ResizePty',
      ttrpcMethod(m.ResizePtyRequest, m.Empty, async (request) => {
        await resizeTask(taskOf(request), request.execId, { rows: request.height, columns: request.width })
        return {}
      }),
    ],
    [
      'CloseIO',
      ttrpcMethod(m.CloseIORequest, m.Empty, async (request) => {
        if (request.stdin) await closeTaskStdin(taskOf(request), request.execId)
        return {}
      }),
    ],
    [
      'Checkpoint',
      ttrpcMethod(m.CheckpointTaskRequest, m.Empty, async (request) => {
        await checkpointTask(host, taskOf(request), request.path, parseCheckpointOptions(request.options))
        return {}
      }),
    ],
    [
      'Update',
      ttrpcMethod(m.UpdateTaskRequest, m.Empty, async (request) => {
        const resources = jsonOf(request.resources)
        await updateTask(taskOf(request), parseResources(resources, 'resources'), JSON.stringify(resources))
        return {}
      }),
    ],
    [
      'Pids',
      ttrpcMethod(m.ContainerRequest, m.PidsResponse, async (request) => ({
        processes: await listTaskProcesses(taskOf(request)),
      })),
    ],
    [
      'Stats',
      ttrpcMethod(m.ContainerRequest, m.StatsResponse, (request) => ({ stats: metricsOf(taskOf(request).cgroup) })),
    ],
    [
      'Wait',
      ttrpcMethod(m.ProcessRequest, m.WaitResponse, async (request) => {
        const exit = await requireProcess(taskOf(request), request.execId).exited
        return { exitStatus: exit.code, exitedAt: m.timestampOf(exit.exitedAtNs) }
      }),
    ],
    [
      'Connect',
      ttrpcMethod(m.ContainerRequest, m.ConnectResponse, ({ id }) => ({
        shimPid: process.pid,
        taskPid: host.tasks.get(taskKey(namespace, id))?.init.pid ?? 0,
      })),
    ],
    [
      'Shutdown',
      ttrpcMethod(m.ShutdownRequest, m.Empty, () => {
        if (host.tasks.size === 0) stop()
        return {}
      }),
    ],
  ])
}

function describe(task: Task, process: TaskProcess): MessageInit<typeof m.StateResponse> {
  const { status, streams } = process
  const exit =
    status.kind === 'stopped' ? { exitStatus: status.exit.code, exitedAt: m.timestampOf(status.exit.exitedAtNs) } : {}
  const { stdin, stdout, stderr, terminal } = streams
  const execId = process === task.init ? '' : process.id
  const common = { id: process.id, execId, bundle: task.ociBundle, pid: process.pid, status: statusOf(task, process) }
  return { ...common, stdin, stdout, stderr, terminal, ...exit }
}

function statusOf(task: Task, process: TaskProcess): number {
  if (process.status.kind === 'stopped') return m.STATUS.stopped
  if (task.init.status.kind !== 'stopped' && task.cgroup.isFrozen()) return m.STATUS.paused
  return process.status.kind === 'created' ? m.STATUS.created : m.STATUS.running
}
