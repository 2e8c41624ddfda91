// How a shim ends: asked to, or made to; and what is done after one that has died.
import { lstatSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { messageOf } from '../../base/failure.ts'
import { isAlive } from '../../linux/proc/process-stat.ts'
import type { ProcessExit } from '../../shim/shim.ts'
import { connectUnix } from '../../shim/connect-unix.ts'
import * as m from '../../wire/shim-v2/messages.ts'
import { type Bundle, readCgroupsPath, readEndpoint, removeBundle } from './bundle.ts'
import { runShim } from './run-shim.ts'
import type { ShimHost } from './shim-host.ts'
import type { ShimTask } from './shim-task.ts'
import { type Endpoint, socketOf } from './start-answer.ts'
import { exitOf } from './task-client.ts'

const DELETE_CALL_MS = 5_000
/** Between a shim's word that it ends, or a signal, and its end. */
const EXIT_MS = 2_000
/** The code where nobody can say: containerd's. */
const UNKNOWN_EXIT = 255

/** Of a task whose container is deleted already. A shim that does not end, and that no other task needs, is killed. */
export async function shutDown(host: ShimHost, task: ShimTask): Promise<void> {
  const isEnding = await asksShutdown(host, task)
  task.client.close()
  if (isEnding) return
  host.log.warn('a shim does not shut down', { task: task.id })
  await killShim(host, task)
}

/** A task that is given up: it failed while it was created, or was left half created by a crash. Nothing of it stays. */
export async function giveUp(host: ShimHost, task: ShimTask): Promise<void> {
  task.isEnding = true
  const isDeleted = await task.client
    .call('Delete', m.ProcessRequest, m.DeleteResponse, { id: task.id }, { timeoutMs: DELETE_CALL_MS })
    .then(() => true)
    .catch(() => false)
  const isShutDown = await asksShutdown(host, task)
  task.client.close()
  if (isShutDown && !isShared(host, task)) await untilNone(() => processesOf(task))
  await killShim(host, task)
  // Also where it knew of no container: a runtime that was interrupted may have made half of one.
  if (!isDeleted) await runDelete(host, task.bundle, task.program)
}

/** The connection has ended, and nobody asked it to: the container goes with the shim, and its end is told as containerd tells it. */
export async function cleanUpAfter(host: ShimHost, task: ShimTask): Promise<void> {
  const { id, namespace } = task
  host.log.info('cleaning up after a dead shim', { task: id })
  let exit: ProcessExit = { code: UNKNOWN_EXIT, exitedAtNs: BigInt(Date.now()) * 1_000_000n }
  let pid = task.pid
  try {
    await killShim(host, task)
    const deleted = await runDelete(host, task.bundle, task.program)
    exit = deleted?.exit ?? exit
    pid = deleted?.pid || pid
    task.log.close()
    await removeLeft(host, task.bundle)
  } finally {
    // Whatever could not be cleaned: nobody waits for ever, and nobody finds a task that nothing can be asked of.
    const told = { id, pid, status: exit.code, exitedAtNs: exit.exitedAtNs }
    host.tasks.delete(`${namespace}/${id}`)
    host.publish(namespace, { kind: 'exit', processId: id, ...told })
    host.publish(namespace, { kind: 'delete', ...told })
    task.settle(exit)
  }
}

/** After a start that came to nothing, or a crash before its answer was kept: whoever works in the bundle is its shim. */
export async function endUnanswered(host: ShimHost, bundle: Bundle, program: string | undefined): Promise<void> {
  await killAll(() => workingIn(bundle))
  if (program !== undefined) await runDelete(host, bundle, program)
  try {
    const endpoint = readEndpoint(bundle)
    if (endpoint !== undefined) await removeSocket(endpoint)
  } catch (error) {
    host.log.debug('a bundle names no socket', { bundle: bundle.path, error: messageOf(error) })
  }
}

export async function removeLeft(host: ShimHost, bundle: Bundle): Promise<void> {
  await removeBundle(host, bundle).catch((error: unknown) =>
    host.log.error('removing a bundle failed', { bundle: bundle.path, error: messageOf(error) }),
  )
}

async function asksShutdown({ timeouts }: ShimHost, { client, id }: ShimTask): Promise<boolean> {
  try {
    await client.call('Shutdown', m.ShutdownRequest, m.Empty, { id }, { timeoutMs: timeouts.shutdownMs })
    return true
  } catch {
    return !client.isOpen // it was so quick that it did not answer
  }
}

/** A bounded wait. A shim that ends by itself removes its socket. */
async function untilNone(processes: () => number[]): Promise<void> {
  const end = performance.now() + EXIT_MS
  while (processes().length > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5))
}

async function killAll(processes: () => number[]): Promise<void> {
  for (const pid of processes()) killIfThere(pid)
  await untilNone(processes)
}

async function killShim(host: ShimHost, task: ShimTask): Promise<void> {
  if (isShared(host, task)) return
  await killAll(() => processesOf(task))
  await removeSocket(task.client.endpoint)
}

/** It was the shim's. One on which somebody listens stays; a process whose first thread has ended may do so for a moment more. */
async function removeSocket({ address }: Endpoint): Promise<void> {
  const path = socketOf(address)
  if (path.startsWith('\0')) return
  const end = performance.now() + EXIT_MS
  do {
    if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return
    try {
      ;(await connectUnix(path)).destroy()
    } catch {
      return rmSync(path, { force: true })
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  } while (performance.now() < end)
}

/** Shims may serve a group of containers. */
function isShared(host: ShimHost, task: ShimTask): boolean {
  return [...host.tasks.values()].some(
    (other) =>
      other !== task &&
      !other.isEnding &&
      other.client.isOpen &&
      other.client.endpoint.address === task.client.endpoint.address,
  )
}

function processesOf({ shim, bundle }: ShimTask): number[] {
  const own = shim !== undefined && isAlive(shim.pid, shim.startTicks) ? [shim.pid] : []
  return [...new Set([...own, ...workingIn(bundle)])]
}

/** By the contract a shim's working directory is the bundle. A container's process is in a mount namespace where that path is another. */
function workingIn({ path }: Bundle): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      return readlinkSync(`/proc/${name}/cwd`) === path ? [Number(name)] : []
    } catch {
      return [] // it has ended, or it is a thread of the kernel's
    }
  })
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended just now.
  }
}

/** The action `delete` of its program. Undefined where it fails: what else can be done is done anyway. */
async function runDelete(
  host: ShimHost,
  bundle: Bundle,
  program: string,
): Promise<{ pid: number; exit: ProcessExit } | undefined> {
  const answer = await askProgram(host, bundle, program).catch((error: unknown) => {
    host.log.error('cleaning up a dead shim failed', { task: bundle.id, error: messageOf(error) })
    return undefined
  })
  // A runtime that was killed while it created a container does not know any more that it has made this.
  const group = readCgroupsPath(bundle)
  if (group !== undefined)
    await host.removeEmptyGroup(group).catch((error: unknown) => {
      host.log.debug('a control group stays', { task: bundle.id, group, error: messageOf(error) })
    })
  return answer && { pid: answer.pid, exit: exitOf(answer) }
}

async function askProgram(host: ShimHost, bundle: Bundle, program: string) {
  const { stdout, stderr } = await runShim(host, program, bundle, {
    action: 'delete',
    timeoutMs: host.timeouts.cleanupMs,
  })
  const warnings = stderr.toString('utf8').trim()
  if (warnings !== '') host.log.warn('warnings while cleaning up a dead shim', { task: bundle.id, warnings })
  return m.DeleteResponse.decode(stdout)
}
