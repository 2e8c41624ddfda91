// The end of a container, also of one that a killed `create` left half made.
import { Failure, messageOf } from '../base/failure.ts'
import { systemClock } from '../base/clock.ts'
import type { Cgroup } from '../linux/cgroup/cgroup.ts'
import { reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import { isAlive } from '../linux/proc/process-stat.ts'
import type { GlobalSettings } from './command.ts'
import { stateDocument, statusOf } from './container-status.ts'
import type { RuntimeLog } from './runtime-log.ts'
import { signalProcess } from './signal-process.ts'
import { type ContainerRecord, findState, lockState, removeStateDirectory, requireLock } from './state-store.ts'

const SIGKILL = 9
const DEATH_LIMIT_MS = 10_000
const DEATH_POLL_MS = 2
/** A creation that hangs is not waited for longer than this when it is to be deleted by force. */
const CREATION_LIMIT_MS = 2000

export interface DeletionRequest {
  settings: GlobalSettings
  log: RuntimeLog
  id: string
  isForced: boolean
}

/** A created container is killed first; a running one only by force. The state goes last, so that it is safe to repeat. */
export async function deleteContainer(request: DeletionRequest): Promise<void> {
  const { settings, id, isForced } = request
  using _lock = isForced ? await takeLock(settings.root, id) : await requireLock(settings.root, id)
  const record = findRecord(request)
  if (record === undefined) {
    // Killed before the record was written: nothing was made but the directory.
    if (!isForced) throw new Failure('not-found', 'container does not exist')
    return removeStateDirectory(settings.root, id)
  }
  const status = statusOf(settings.root, record)
  if (status !== 'stopped' && status !== 'created' && !isForced)
    throw new Failure('failed-precondition', `cannot delete container ${id} that is not stopped: ${status}`)
  await destroyContainer(request, record)
}

/** What nobody can read is as good as nothing to one who insists. */
function findRecord({ settings, log, id, isForced }: DeletionRequest): ContainerRecord | undefined {
  try {
    return findState(settings.root, id)
  } catch (error) {
    if (!isForced) throw error
    log.write('warning', `deleting a container whose processes cannot be found: ${messageOf(error)}`)
    return undefined
  }
}

/** Where a creation holds the lock too long, its process is killed, and with it the creation. */
async function takeLock(root: string, id: string): Promise<Disposable> {
  const lock = await lockState(root, id, CREATION_LIMIT_MS)
  if (lock !== undefined) return lock
  const record = findState(root, id)
  if (record !== undefined) {
    signalProcess(record.pid, record.startTicks, SIGKILL)
    if (!record.isCreated) signalProcess(record.maker.pid, record.maker.startTicks, SIGKILL)
  }
  return await requireLock(root, id)
}

/** Also for a container whose process has ended by itself. The caller holds the lock. */
export async function destroyContainer({ settings, log }: DeletionRequest, record: ContainerRecord): Promise<void> {
  const cgroup = record.cgroup === undefined ? undefined : reopenCgroup(record.cgroup)
  await endProcesses(record, cgroup)
  await cgroup?.remove()
  await runPoststop(record, log)
  removeStateDirectory(settings.root, record.id)
}

async function runPoststop(record: ContainerRecord, log: RuntimeLog): Promise<void> {
  const hooks = record.spec.hooks?.poststop
  if (hooks === undefined) return
  const { runHooksToTheEnd } = await import('../runtime/host/run-hooks.ts')
  const run = { hooks, state: stateDocument(record, 'stopped'), cwd: record.bundle }
  await runHooksToTheEnd(run, (error) => log.write('error', error.message))
}

async function endProcesses(record: ContainerRecord, cgroup: Cgroup | undefined): Promise<void> {
  signalProcess(record.pid, record.startTicks, SIGKILL)
  if (cgroup?.exists() === true) {
    cgroup.killAll()
    if (cgroup.isFrozen()) await cgroup.thaw() // what is frozen does not die
  }
  const deadline = performance.now() + DEATH_LIMIT_MS
  while (isAlive(record.pid, record.startTicks)) {
    if (performance.now() >= deadline)
      throw new Failure('deadline-exceeded', `container init still running: process ${record.pid}`)
    await systemClock.sleep(DEATH_POLL_MS)
  }
}
