// tasks.Create under a shim of somebody else's: a bundle, a shim, and the container that it makes.
import { Failure, isFailure, messageOf, withSubject } from '../../base/failure.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import { readProcessStat } from '../../linux/proc/process-stat.ts'
import * as m from '../../wire/shim-v2/messages.ts'
import { jsonOf } from '../tasks/json-of.ts'
import type { TaskCreation } from '../tasks/task-runtime.ts'
import { type Bundle, makeBundle } from './bundle.ts'
import { cleanUpAfter, endUnanswered, giveUp, removeLeft } from './end-shim.ts'
import { resolveShim } from './resolve-shim.ts'
import { drainShimLog } from './shim-log.ts'
import type { ShimHost } from './shim-host.ts'
import { type ShimProcess, ShimTask } from './shim-task.ts'
import { startShim } from './start-shim.ts'
import { passedOn, TaskClient } from './task-client.ts'

/** A shim that serves answers this at once. */
const CONNECT_CALL_MS = 10_000

/** Resolves when the first process is created. Everything is undone on failure. */
export async function createShimTask(host: ShimHost, request: TaskCreation): Promise<ShimTask> {
  const { namespace, id, signal } = request
  const program = resolveShim(request.runtime, host.program)
  jsonOf(request.spec) // refused before anything is made
  await using undo = new UndoStack((error) =>
    host.log.warn('undo of a task failed', { task: id, error: messageOf(error) }),
  )
  const spec = request.spec?.value ?? new Uint8Array(0)
  const bundle = await makeBundle(host, { namespace, id, spec })
  undo.defer(() => removeLeft(host, bundle))
  const log = drainShimLog(host, bundle)
  undo.defer(() => log.close())
  const task = await openTask(host, { bundle, program, options: request.options, signal }, log)
  undo.defer(() => giveUp(host, task))
  task.pid = await createContainer(task, request)
  host.tasks.set(`${namespace}/${id}`, task)
  watchShim(host, task)
  undo.commit()
  return task
}

async function openTask(
  host: ShimHost,
  start: Parameters<typeof startShim>[1],
  log: { close(): void },
): Promise<ShimTask> {
  const { bundle, program } = start
  try {
    const client = await TaskClient.connect(await startShim(host, start), bundle.namespace).catch((error: unknown) => {
      throw isFailure(error, 'unavailable')
        ? new Failure('unknown', `failed to start shim: start failed: ${error.message}`, { cause: error })
        : error
    })
    return new ShimTask(host, {
      bundle,
      program,
      client,
      log,
      shim: (await askConnect(client, bundle, start.signal))?.shim,
    })
  } catch (error) {
    await endUnanswered(host, bundle, program)
    throw error
  }
}

/** Undefined where it does not say. Throws where the shim does not answer. */
export async function askConnect(
  client: TaskClient,
  { id }: Bundle,
  signal?: AbortSignal,
): Promise<{ shim: ShimProcess | undefined; taskPid: number } | undefined> {
  try {
    const options = { timeoutMs: CONNECT_CALL_MS, ...(signal === undefined ? {} : { signal }) }
    const answer = await client.call('Connect', m.ContainerRequest, m.ConnectResponse, { id }, options)
    const stat = readProcessStat(answer.shimPid)
    const shim = stat && { pid: answer.shimPid, startTicks: stat.startTicks }
    return { shim, taskPid: answer.taskPid }
  } catch (error) {
    if (client.isOpen && !isFailure(error, 'deadline-exceeded', 'cancelled')) return undefined
    client.close()
    throw withSubject('failed to start shim: the shim does not answer', error)
  }
}

async function createContainer(task: ShimTask, request: TaskCreation): Promise<number> {
  const { id, rootfs, streams, options, checkpoint, signal } = request
  const mounts = rootfs.map(({ type, source, target, options: words }) => ({
    type,
    source,
    target,
    options: [...words],
  }))
  const asked = { id, bundle: task.bundle.path, rootfs: mounts, ...streams, checkpoint, options }
  try {
    return (await task.client.call('Create', m.CreateTaskRequest, m.PidResponse, asked, { signal })).pid
  } catch (error) {
    throw passedOn(error, 'failed to create shim task: ')
  }
}

/** From now on the shim's end is the task's. */
export function watchShim(host: ShimHost, task: ShimTask): void {
  void task.client.closed.then(async () => {
    if (task.isEnding) return
    task.isEnding = true
    await cleanUpAfter(host, task)
  })
}
