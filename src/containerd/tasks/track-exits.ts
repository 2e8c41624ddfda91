// What a shim says of its processes becomes the task's state and containerd's events.
import { isNew } from '../../runtime/plan-namespaces.ts'
import { type ProcessExit, type Shim, INIT_PROCESS } from '../../shim/shim.ts'
import { readExitRecord } from '../../shim/read-exit-record.ts'
import type { Task, TaskProcess } from './task.ts'
import type { TaskHost } from './task-host.ts'

/** What SIGKILL gives; also the code of a process whose end nobody saw. */
const KILLED = 137

/** For the exits of execs whose first process is gone; then it is told without them. */
const EXECS_MS = 5_000

/** Subscribes to a shim's exits; a shim that goes away unasked ends all its processes. */
export function trackExits(host: TaskHost, task: Task, shim: Shim): void {
  task.shim = shim
  shim.onExit((state) => {
    const process = state.process === INIT_PROCESS ? task.init : task.execs.get(state.process)
    if (process !== undefined) recordExit(host, task, process, state.exit)
  })
  void shim.closed.then(() => {
    if (task.shim !== shim) return
    task.shim = undefined
    if (!task.deleting) void settleWithoutShim(host, task)
  })
}

/** The shim is gone: its records say what they can; for the rest the kernel killed the processes with it. */
export async function settleWithoutShim(host: TaskHost, task: Task): Promise<void> {
  task.cgroup.killAll()
  for (const process of [...task.execs.values(), task.init]) {
    if (process.status.kind === 'stopped') continue
    const exit = await readExitRecord(task.bundle, process === task.init ? INIT_PROCESS : process.id)
    recordExit(host, task, process, exit ?? { code: KILLED, exitedAtNs: BigInt(Date.now()) * 1_000_000n })
  }
}

/** Idempotent: a process exits once. Its start is told before, so is an out-of-memory kill that was the reason, and of the first process every exec's exit. */
export function recordExit(host: TaskHost, task: Task, process: TaskProcess, exit: ProcessExit): void {
  if (process.status.kind === 'stopped') return
  const before = whatComesBefore(task, process)
  if (before !== undefined) {
    void before.then(() => recordExit(host, task, process, exit))
    return
  }
  // An exec that was not killed has not ended for want of memory.
  if (process === task.init || exit.code === KILLED) tellOom(host, task)
  if (process === task.init) task.oomWatch?.close()
  process.settle(exit)
  host.publish(task.namespace, {
    kind: 'exit',
    id: task.id,
    processId: process === task.init ? task.id : process.id,
    pid: process.pid,
    status: exit.code,
    exitedAtNs: exit.exitedAtNs,
  })
}

function whatComesBefore(task: Task, process: TaskProcess): Promise<unknown> | undefined {
  if (process.starting !== undefined) return process.starting
  if (process !== task.init || task.isEnding) return undefined
  // In a PID namespace of its own the kernel has ended everything with the first process; elsewhere nobody has.
  if (!isNew(task.spec, 'pid')) task.cgroup.killAll()
  task.isEnding = true
  const running = [...task.execs.values()].filter(({ status }) => status.kind === 'running')
  if (running.length === 0) return undefined
  return Promise.race([Promise.all(running.map(({ exited }) => exited)), waitMs(EXECS_MS)])
}

function waitMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}

/** Kills that do not end the first process are told too, where memory is limited; elsewhere they are the host's misery. */
export function watchOom(host: TaskHost, task: Task): void {
  if (task.spec.linux?.resources?.memory?.limit === undefined) return
  try {
    task.oomWatch = task.cgroup.watchOom(() => tellOom(host, task))
  } catch (error) {
    host.log.debug('OOM kills cannot be watched', { task: task.id, error: String(error) }) // the count is read at the end
  }
}

function tellOom(host: TaskHost, task: Task): void {
  try {
    const kills = task.cgroup.oomKills()
    if (kills > task.oomKillsTold) host.publish(task.namespace, { kind: 'oom', id: task.id })
    task.oomKillsTold = Math.max(kills, task.oomKillsTold)
  } catch (error) {
    host.log.debug('reading the OOM count failed', { task: task.id, error: String(error) }) // the group may be gone already
  }
}
