// A task under a shim of somebody else's: every question goes to the shim, which knows best.
import { Failure } from '../../base/failure.ts'
import type { ProcessExit } from '../../shim/shim.ts'
import type { Codec } from '../../wire/protobuf/message.ts'
import * as m from '../../wire/shim-v2/messages.ts'
import { checkIdentifier } from '../identifier.ts'
import type { ExecRequest, ListedProcess, TaskHandle, TaskProcessState, TaskStatus } from '../tasks/task-runtime.ts'
import type { Bundle } from './bundle.ts'
import { deleteShimTask } from './delete-shim-task.ts'
import type { ShimHost } from './shim-host.ts'
import { exitOf, passedOn, type ShimCallOptions, type TaskClient } from './task-client.ts'

/** A listing must not wait for a shim that has fallen silent. */
const STATE_MS = 2_000

/** The shim's own process. */
export interface ShimProcess {
  pid: number
  startTicks: number
}

export class ShimTask implements TaskHandle {
  readonly bundle: Bundle
  readonly program: string
  readonly client: TaskClient
  readonly log: { close(): void }
  /** Undefined where the shim does not say. */
  readonly shim: ShimProcess | undefined
  /** Resolves with the first process's exit when nothing of the task is left. */
  readonly gone: Promise<ProcessExit>
  settle: (exit: ProcessExit) => void = () => {}
  /** Its end has been told, or is about to be: whoever sets it sees to the rest. */
  isEnding = false
  pid = 0
  readonly #host: ShimHost

  constructor(host: ShimHost, parts: Pick<ShimTask, 'bundle' | 'program' | 'client' | 'log' | 'shim'>) {
    this.#host = host
    this.bundle = parts.bundle
    this.program = parts.program
    this.client = parts.client
    this.log = parts.log
    this.shim = parts.shim
    this.gone = new Promise((resolve) => {
      this.settle = resolve
    })
  }

  get namespace(): string {
    return this.bundle.namespace
  }

  get id(): string {
    return this.bundle.id
  }

  async start(execId: string): Promise<number> {
    const { pid } = await this.#call('Start', m.ProcessRequest, m.PidResponse, { id: this.id, execId })
    return pid
  }

  async exec({ execId, spec, streams }: ExecRequest): Promise<void> {
    checkIdentifier(execId)
    await this.#call('Exec', m.ExecProcessRequest, m.Empty, { id: this.id, execId, ...streams, spec })
  }

  async state(execId: string): Promise<TaskProcessState> {
    const request = { id: this.id, execId }
    const state = await this.#call('State', m.ProcessRequest, m.StateResponse, request, { timeoutMs: STATE_MS })
    const { id, pid, stdin, stdout, stderr, terminal } = state
    const status = STATUSES[state.status] ?? 'unknown'
    const exit = status === 'stopped' ? exitOf(state) : undefined
    return { id: execId === '' ? this.id : id, pid, status, streams: { stdin, stdout, stderr, terminal }, exit }
  }

  /** Of a shim that dies meanwhile, cleaning up after it tells the exit. */
  async wait(execId: string, signal: AbortSignal): Promise<ProcessExit> {
    try {
      const request = { id: this.id, execId }
      return exitOf(await this.client.call('Wait', m.ProcessRequest, m.WaitResponse, request, { signal }))
    } catch (error) {
      if (this.client.isOpen) throw passedOn(error)
      return await this.gone
    }
  }

  async kill(execId: string, signal: number, all: boolean): Promise<void> {
    await this.#call('Kill', m.KillRequest, m.Empty, { id: this.id, execId, signal, all })
  }

  async resize(execId: string, { rows: height, columns: width }: { rows: number; columns: number }): Promise<void> {
    await this.#call('ResizePty', m.ResizePtyRequest, m.Empty, { id: this.id, execId, width, height })
  }

  async closeStdin(execId: string): Promise<void> {
    await this.#call('CloseIO', m.CloseIORequest, m.Empty, { id: this.id, execId, stdin: true })
  }

  async pause(): Promise<void> {
    await this.#call('Pause', m.ContainerRequest, m.Empty, { id: this.id })
  }

  async resume(): Promise<void> {
    await this.#call('Resume', m.ContainerRequest, m.Empty, { id: this.id })
  }

  async list(): Promise<ListedProcess[]> {
    return (await this.#call('Pids', m.ContainerRequest, m.PidsResponse, { id: this.id })).processes
  }

  async update(resources: m.Any | undefined, annotations: Readonly<Record<string, string>>): Promise<void> {
    await this.#call('Update', m.UpdateTaskRequest, m.Empty, { id: this.id, resources, annotations })
  }

  async stats(): Promise<m.Any | undefined> {
    return (await this.#call('Stats', m.ContainerRequest, m.StatsResponse, { id: this.id })).stats
  }

  async checkpoint(path: string, options: m.Any | undefined): Promise<void> {
    await this.#call('Checkpoint', m.CheckpointTaskRequest, m.Empty, { id: this.id, path, options })
  }

  async delete(): ReturnType<TaskHandle['delete']> {
    return await deleteShimTask(this.#host, this)
  }

  async deleteExec(execId: string): ReturnType<TaskHandle['deleteExec']> {
    if (execId === '') throw new Failure('invalid-argument', 'exec id cannot be empty: invalid argument')
    const deleted = await this.#call('Delete', m.ProcessRequest, m.DeleteResponse, { id: this.id, execId })
    return { pid: deleted.pid, exit: exitOf(deleted) }
  }

  async #call<Asked, Answer>(
    method: string,
    request: Codec<unknown, Asked>,
    response: Codec<Answer, never>,
    value: Asked,
    options?: ShimCallOptions,
  ): Promise<Answer> {
    try {
      return await this.client.call(method, request, response, value, options)
    } catch (error) {
      if (this.client.isOpen) throw passedOn(error)
      await this.gone // then whoever asks again finds no task
      throw new Failure('not-found', `task ${this.id}: the shim is gone: not found`, { cause: error })
    }
  }
}

/** By containerd.v1.types.Status. */
const STATUSES: readonly TaskStatus[] = ['unknown', 'created', 'running', 'stopped', 'paused', 'pausing']
