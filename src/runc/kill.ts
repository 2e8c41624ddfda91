// `kill`: a signal to the first process, or to all of them.
import { Failure } from '../base/failure.ts'
import type { Cgroup } from '../linux/cgroup/cgroup.ts'
import { reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import { errnoText, hasErrno, KernelError } from '../linux/kernel-error.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { isAlive } from '../linux/proc/process-stat.ts'
import type { Command } from './command.ts'
import { matchingIds } from './matching-ids.ts'
import { parseSignal } from './signals.ts'
import { signalProcess } from './signal-process.ts'
import { type ContainerRecord, loadState } from './state-store.ts'

export const kill: Command = async ({ settings, options, args }) => {
  const [pattern = '', name = ''] = args
  const ids = options.flag('regex') ? matchingIds(settings.root, pattern) : [pattern]
  for (const id of ids) {
    const record = loadState(settings.root, id)
    const signal = parseSignal(name === '' ? 'SIGTERM' : name)
    const cgroup = record.cgroup === undefined ? undefined : reopenCgroup(record.cgroup)
    if (options.flag('all') && (cgroup?.exists() === true || !isAlive(record.pid, record.startTicks)))
      await signalAll(cgroup, signal)
    else signalFirst(record, signal)
  }
  return 0
}

function signalFirst(record: ContainerRecord, signal: number): void {
  try {
    if (signalProcess(record.pid, record.startTicks, signal)) return
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
    throw new Failure(error.code, `unable to signal init: ${errnoText(error.errno)}`, { cause: error })
  }
  throw new Failure('failed-precondition', 'container not running')
}

/** Frozen meanwhile, so that none of them forks out of the list. A container that has ended has none, which is no error. */
async function signalAll(cgroup: Cgroup | undefined, signal: number): Promise<void> {
  if (cgroup?.exists() !== true) return
  const wasFrozen = cgroup.isFrozen()
  if (!wasFrozen) await cgroup.freeze()
  try {
    for (const pid of cgroup.pids()) signalPid(pid, signal)
  } finally {
    if (!wasFrozen) await cgroup.thaw()
  }
}

function signalPid(pid: number, signal: number): void {
  try {
    openNativeKernel().kill(pid, signal) // it is in the frozen group, and stays that one
  } catch (error) {
    if (!hasErrno(error, 'ESRCH')) throw error
  }
}
