// `kill`: a signal to the first process, or to all of them.
import { Failure } from '../base/failure.ts'
import { reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import { errnoText, hasErrno, KernelError } from '../linux/kernel-error.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
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
    if (options.flag('all') && record.cgroup !== undefined) await signalAll(record, signal)
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

/** Frozen meanwhile, so that none of them forks out of the list. */
async function signalAll({ cgroup: record }: ContainerRecord, signal: number): Promise<void> {
  if (record === undefined) return
  const cgroup = reopenCgroup(record)
  if (!cgroup.exists()) return
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
