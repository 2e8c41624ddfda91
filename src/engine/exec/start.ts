// POST /exec/{id}/start: runs it, with the client at its streams unless detached.
import { constants } from 'node:os'
import type { Duplex } from 'node:stream'
import { Failure, messageOf } from '../../base/failure.ts'
import { packJson, PROCESS_SPEC_TYPE } from '../../containerd/client/any.ts'
import { explainRunFailure } from '../container/exit-code-of-failure.ts'
import { publishContainerEvent } from '../container/publish-event.ts'
import { endClient } from '../container/splice.ts'
import type { Engine } from '../engine.ts'
import { frame } from '../logs/frame.ts'
import { spliceExec } from './attach.ts'
import { buildExecProcess } from './build-process.ts'
import { requireExecutable } from './create.ts'
import { removeExecRecord, saveExecRecord } from './exec-records.ts'
import type { StreamReach } from '../streams/container-streams.ts'
import type { Exec } from './exec-store.ts'

const DEFAULT_FAILED_CODE = 126

export interface ExecStartOptions {
  /** By the request's `Tty`: whether errors are framed. */
  terminal: boolean
  consoleSize: readonly [height: number, width: number] | undefined
  /** Ends what has not begun to run. */
  signal?: AbortSignal | undefined
}

/** Marks the exec as taken. Throws conflict in Docker's words. */
export function claimExec(exec: Exec): void {
  switch (exec.state.kind) {
    case 'created':
      requireExecutable(exec.container, exec.container.id)
      exec.state = { kind: 'starting' }
      return
    case 'exited':
      throw new Failure('conflict', `exec command ${exec.id} has already run`)
    default:
      throw new Failure('conflict', `exec command ${exec.id} is already running`)
  }
}

/** Resolves when the process has been executed. */
export async function startDetached(engine: Engine, exec: Exec, options: ExecStartOptions): Promise<void> {
  claimExec(exec)
  exec.hasInput = false
  await runExec(engine, exec, options, undefined)
}

/** The client is ours, and closed when this resolves. What goes wrong is written to it: the answer's head has been sent. */
export async function startAttached(
  engine: Engine,
  exec: Exec,
  options: ExecStartOptions,
  client: Duplex,
): Promise<void> {
  try {
    await runAttached(engine, exec, options, client)
  } catch (error) {
    const text = Buffer.from(`${messageOf(error)}\r\n`)
    client.write(options.terminal ? text : frame(1, text))
    endClient(client)
  }
}

/** The same, but what goes wrong is thrown, and then the client is not closed. */
export async function runAttached(
  engine: Engine,
  exec: Exec,
  options: ExecStartOptions,
  client: Duplex,
): Promise<void> {
  claimExec(exec)
  const shim = await runExec(engine, exec, options, client)
  if (shim === undefined) return endClient(client)
  await spliceExec(engine, exec, client, shim, { stdin: true, detachKeys: exec.config.detachKeys })
}

/** Returns the stream to join the client to, if it wants one. */
async function runExec(
  engine: Engine,
  exec: Exec,
  options: ExecStartOptions,
  client: Duplex | undefined,
): Promise<Duplex | undefined> {
  const { container } = exec
  publishContainerEvent(engine, container, `exec_start: ${exec.eventCommand}`, { execID: exec.id })
  // While the process is made.
  const reach = client && wantsStreams(exec) ? engine.streams.reach(container) : undefined
  let attached: { stream: Promise<Duplex> } | undefined
  try {
    saveExecRecord(engine, exec)
    await createProcess(engine, exec, options)
    attached = await attach(exec, await reach)
    const { pid } = await engine.containerd.tasks.start({ containerId: container.id, execId: exec.id })
    exec.setRunning(pid)
    return await attached?.stream
  } catch (error) {
    letGo(reach, attached)
    if (exec.state.kind === 'running') return await endUnattached(engine, exec, error)
    const { exitCode, failure } = explainRunFailure('', error)
    exec.setExited(exitCode === 128 ? DEFAULT_FAILED_CODE : exitCode, engine.clock.now())
    await engine.containerd.tasks.deleteProcess({ containerId: container.id, execId: exec.id }).catch(() => {}) // it may never have been made
    await engine.streams.closeExec(container, exec.id)
    removeExecRecord(engine, container.id, exec.id)
    throw failure
  }
}

async function createProcess(engine: Engine, exec: Exec, options: ExecStartOptions): Promise<void> {
  const { container, config } = exec
  const spec = await buildExecProcess(engine, exec, options.consoleSize ?? config.consoleSize, options.signal)
  await engine.containerd.tasks.exec({
    containerId: container.id,
    execId: exec.id,
    terminal: config.terminal,
    ...(await engine.streams.openExec(exec)),
    spec: packJson(PROCESS_SPEC_TYPE, spec),
  })
}

/** The shim has hung up on us between the question and its answer: what nobody hears is not to run on. */
async function endUnattached(engine: Engine, { id, container }: Exec, error: unknown): Promise<never> {
  await engine.containerd.tasks
    .kill({ containerId: container.id, execId: id, signal: constants.signals.SIGKILL, all: false })
    .catch(() => {}) // it has ended
  throw error
}

function wantsStreams({ config: { attachStdin, attachStdout, attachStderr } }: Exec): boolean {
  return attachStdin || attachStdout || attachStderr
}

/** Before the start, so that no output is missed; what it returns is waited for after it. */
async function attach(exec: Exec, reach: StreamReach | undefined): Promise<{ stream: Promise<Duplex> } | undefined> {
  if (reach === undefined) return undefined
  const { attachStdin, attachStdout, attachStderr, terminal } = exec.config
  const wanted = { stdin: attachStdin, stdout: attachStdout, stderr: attachStderr && !terminal }
  const stream = reach.attach(exec.id, wanted)
  stream.catch(() => {}) // told when it is waited for
  if (!reach.isOrdered) await stream
  return { stream }
}

/** Of a process that was not started after all. */
function letGo(reach: Promise<StreamReach> | undefined, attached: { stream: Promise<Duplex> } | undefined): void {
  if (attached === undefined) reach?.then((open) => open.leave()).catch(() => {})
  else attached.stream.then((stream) => stream.destroy()).catch(() => {})
}
