// The built-in runtime behind the service's interface: our plans under our own shim, or an OCI runtime's commands where the options name one.
import { cp } from 'node:fs/promises'
import type { ProcessExit } from '../../shim/shim.ts'
import { parseProcess, parseResources, parseRuntimeSpec } from '../../runtime/parse-runtime-spec.ts'
import type { Any, Options } from '../../wire/shim-v2/messages.ts'
import {
  closeTaskStdin,
  killTask,
  listTaskProcesses,
  pauseTask,
  resizeTask,
  resumeTask,
  updateTask,
} from './control-task.ts'
import type { SavedImages } from './by-command.ts'
import { checkpointTask } from './checkpoint-task.ts'
import { createTask } from './create-task.ts'
import { deleteExec, deleteTask } from './delete-task.ts'
import { execTask } from './exec-task.ts'
import { jsonOf } from './json-of.ts'
import { metricsOf } from './metrics.ts'
import { choiceOf, parseCheckpointOptions, parseRuntimeOptions } from './runtime-options.ts'
import { startTask } from './start-task.ts'
import { requireProcess, type Task, type TaskProcess } from './task.ts'
import { type TaskHost, taskKey } from './task-host.ts'
import type {
  ExecRequest,
  TaskCreation,
  TaskHandle,
  TaskProcessState,
  TaskRuntime,
  TaskStatus,
} from './task-runtime.ts'

export class OwnRuntime implements TaskRuntime {
  readonly #host: TaskHost

  constructor(host: TaskHost) {
    this.#host = host
  }

  async create({ namespace, id, spec, rootfs, streams, options, checkpoint }: TaskCreation): Promise<TaskHandle> {
    const asked = parseRuntimeOptions(options)
    const specText = Buffer.from(spec?.value ?? []).toString('utf8')
    const parsed = { spec: parseRuntimeSpec(specText), specText, runtime: choiceOf(asked) }
    const saved = checkpoint === '' ? {} : { saved: savedImages(checkpoint, asked) }
    const request = { namespace, id, rootfs, streams, ...parsed, ...saved }
    return new OwnTask(this.#host, await createTask(this.#host, request))
  }

  find(namespace: string, id: string): TaskHandle | undefined {
    const task = this.#host.tasks.get(taskKey(namespace, id))
    return task && new OwnTask(this.#host, task)
  }

  list(namespace: string): TaskHandle[] {
    const tasks = [...this.#host.tasks.values()].filter((task) => task.namespace === namespace)
    return tasks.map((task) => new OwnTask(this.#host, task))
  }
}

class OwnTask implements TaskHandle {
  readonly #host: TaskHost
  readonly #task: Task

  constructor(host: TaskHost, task: Task) {
    this.#host = host
    this.#task = task
  }

  get namespace(): string {
    return this.#task.namespace
  }

  get id(): string {
    return this.#task.id
  }

  get pid(): number {
    return this.#task.init.pid
  }

  async start(execId: string): Promise<number> {
    return await startTask(this.#host, this.#task, execId)
  }

  async exec({ execId, spec, streams }: ExecRequest): Promise<void> {
    const process = { ...parseProcess(jsonOf(spec), 'process'), terminal: streams.terminal }
    await execTask(this.#host, this.#task, execId, process, streams)
  }

  async state(execId: string): Promise<TaskProcessState> {
    const process = requireProcess(this.#task, execId)
    const { id, pid, status, streams } = process
    const exit = status.kind === 'stopped' ? status.exit : undefined
    return { id, pid, status: statusOf(this.#task, process), streams, exit }
  }

  async wait(execId: string): Promise<ProcessExit> {
    return await requireProcess(this.#task, execId).exited
  }

  async kill(execId: string, signal: number, all: boolean): Promise<void> {
    await killTask(this.#host, this.#task, execId, signal, all)
  }

  async resize(execId: string, size: { rows: number; columns: number }): Promise<void> {
    await resizeTask(this.#task, execId, size)
  }

  async closeStdin(execId: string): Promise<void> {
    await closeTaskStdin(this.#task, execId)
  }

  async pause(): Promise<void> {
    await pauseTask(this.#host, this.#task)
  }

  async resume(): Promise<void> {
    await resumeTask(this.#host, this.#task)
  }

  async list(): ReturnType<TaskHandle['list']> {
    return await listTaskProcesses(this.#task)
  }

  async update(resources: Any | undefined): Promise<void> {
    const wanted = jsonOf(resources)
    await updateTask(this.#task, parseResources(wanted, 'resources'), JSON.stringify(wanted))
  }

  async stats(): Promise<Any> {
    return metricsOf(this.#task.cgroup)
  }

  async checkpoint(path: string, options: Any | undefined): Promise<void> {
    await checkpointTask(this.#host, this.#task, path, parseCheckpointOptions(options))
  }

  async delete(): ReturnType<TaskHandle['delete']> {
    const { pid } = this.#task.init
    return { pid, exit: await deleteTask(this.#host, this.#task) }
  }

  async deleteExec(execId: string): ReturnType<TaskHandle['deleteExec']> {
    const { pid } = requireProcess(this.#task, execId)
    return { pid, exit: await deleteExec(this.#host, this.#task, execId) }
  }
}

/** A directory that the options name stays where it is. Another one is the caller's only until the task is created, and is needed when it starts. */
function savedImages(checkpoint: string, { criuImagePath, criuWorkPath: workPath }: Options): SavedImages {
  if (criuImagePath !== '') return { imagePath: criuImagePath, workPath }
  return { imagePath: '', workPath, fill: (directory) => cp(checkpoint, directory, { recursive: true }) }
}

function statusOf(task: Task, process: TaskProcess): TaskStatus {
  if (process.status.kind !== 'running') return process.status.kind
  return task.cgroup.isFrozen() ? 'paused' : 'running'
}
