// At the engine's start, and whenever containerd has been away: what the records say is compared with what is really there.
//
// What containerd says of tasks is true. Containers that run are adopted, ends that nobody saw are recorded with containerd's time and code, and whatever in
// containerd, in the netns and stream directories and in the network no record names any more is removed.
import { mkdirSync, readdirSync } from 'node:fs'
import { messageOf } from '../../base/failure.ts'
import type { Process } from '../../gen/types/task_pb.ts'
import { Status } from '../../gen/types/task_pb.ts'
import type { Engine } from '../engine.ts'
import { adoptExecs, sweepExecRecords } from '../exec/exec-records.ts'
import { dropOldLeases } from '../image/drop-old-leases.ts'
import { resumeAfterCommit } from './commit.ts'
import type { Container } from './container.ts'
import { isAlive } from './container-state.ts'
import { watchHealth } from './watch-health.ts'
import { handleExit } from './exit.ts'
import { adoptMounts, sweepVolumes } from './mounts/set-up-mounts.ts'
import { sweepTemporaryMounts } from './mounts/temporary-mounts.ts'
import { openLinks } from './links/open-links.ts'
import { netnsDirectory, netnsPath } from './paths.ts'
import { publishContainerEvent } from './publish-event.ts'
import { removeContainer } from './remove.ts'
import { startsWithEngine } from './restart-policy.ts'
import { sweepSharedMemory } from './shared-memory.ts'
import { startRounds } from './start-order.ts'
import { startContainer } from './start.ts'
import { deleteContainerdRecord, deleteTask, OWNER_LABEL, removeSnapshot, SNAPSHOTTER } from './tasks.ts'
import { watchTasks } from './watch-tasks.ts'

/** The code of a process whose end nobody saw: the machine went down, or the shim with everything that it knew. */
const UNSEEN_EXIT_CODE = 255

/**
 * Resolves when every record is true and everything ownerless is gone; restart policies have their effect afterwards. From then on the engine follows
 * containerd's events until its ContainerStore is closed.
 */
export async function reconcileContainers(engine: Engine): Promise<void> {
  mkdirSync(netnsDirectory(engine), { recursive: true, mode: 0o700 })
  let isFirst = true
  await new Promise<void>((resolve, reject) => {
    const onSubscribed = async () => {
      await adoptTasks(engine, isFirst)
      if (!isFirst) return await sweepAgain(engine)
      isFirst = false
      await sweep(engine)
      resolve()
      engine.containers.track(startByPolicy(engine))
    }
    watchTasks(engine, engine.containers.closing, onSubscribed).then(resolve, (error: unknown) => {
      engine.log.error('following containerd has ended', { error: messageOf(error) })
      reject(error)
    })
  })
}

/** Brings the state of every container in line with containerd's tasks. */
async function adoptTasks(engine: Engine, isFirst: boolean): Promise<void> {
  const { tasks } = await engine.containerd.tasks.list({ filter: '' })
  const byContainer = new Map(
    tasks.filter((task) => isFirstProcess(task)).map((task) => [task.containerId || task.id, task]),
  )
  await Promise.all(
    engine.containers
      .list()
      .map((container) =>
        adopt(engine, container, byContainer.get(container.id), isFirst).catch((error: unknown) =>
          engine.log.error('adopting a container failed', { container: container.id, error: messageOf(error) }),
        ),
      ),
  )
}

function isFirstProcess(task: Process): boolean {
  return task.containerId === '' || task.id === task.containerId || task.id === ''
}

async function adopt(engine: Engine, container: Container, task: Process | undefined, isFirst: boolean): Promise<void> {
  const { state } = container
  const isUp =
    task !== undefined &&
    (task.status === Status.RUNNING || task.status === Status.PAUSED || task.status === Status.PAUSING)
  if (isUp) {
    await container.lock.run(() => recordRunning(engine, container, task))
    adoptMounts(engine, container)
    await engine.streams.adopt(container)
    await adoptExecs(engine, container)
    await resumeAfterCommit(engine, container)
    engine.logs.begin(container)
    if (container.healthWatch === undefined) watchHealth(engine, container, { isNewRun: false })
    return
  }
  // Its shim did not answer in time: nothing is known, so nothing has changed.
  if (isAlive(state) && task?.status === Status.UNKNOWN) return
  if (isAlive(state)) {
    engine.logs.begin(container) // what the former engine has not sent
    const at = task?.exitedAt
    const exitedAtNs = at ? at.seconds * 1_000_000_000n + BigInt(at.nanos) : BigInt(engine.clock.now()) * 1_000_000n
    const exitCode = task ? task.exitStatus : UNSEEN_EXIT_CODE
    await handleExit(engine, container, { pid: 0, exitCode, exitedAtNs }, isFirst)
    return
  }
  await settleDown(engine, container, task)
}

/** Also when a crash came between the start of the process and the record of it. */
function recordRunning(engine: Engine, container: Container, task: Process): void {
  const { record, state } = container
  const status = task.status === Status.RUNNING ? 'running' : 'paused'
  if (state.status === status && state.pid === task.pid) return
  if (!isAlive(state)) {
    record.hasRun = true
    state.startedAt = new Date(engine.clock.now()).toISOString()
    state.exitCode = 0
    publishContainerEvent(engine, container, 'start')
  }
  state.status = status
  state.pid = task.pid
  record.endpoint ??= engine.network.endpoints().find(({ key }) => key === container.id)
  container.saveState()
}

/** What an earlier engine was in the middle of: a removal, a restart, a start that did not get to the end. */
async function settleDown(engine: Engine, container: Container, task: Process | undefined): Promise<void> {
  const { record, state } = container
  engine.logs.settle(container)
  if (container.pendingRestart !== undefined || container.isRemoving) return // it is this engine that is in the middle of it
  if (state.status === 'removing') {
    await removeContainer(engine, container, { force: true, removeVolumes: false })
    return
  }
  await container.lock.run(async () => {
    if (isAlive(state)) return
    if (task !== undefined) await deleteTask(engine, container.id)
    if (record.endpoint !== undefined) {
      record.endpoint = undefined
      container.saveState()
    }
  })
  if (record.hostConfig.AutoRemove === true && state.status === 'exited')
    await removeContainer(engine, container, { force: true, removeVolumes: true })
}

/** Everything of ours that no record names. Called once, before the first request is served. */
async function sweep(engine: Engine): Promise<void> {
  const isOwned = (id: string) => engine.containers.isKnown(id)
  const live = new Set(
    engine.containers.list().flatMap((container) => (isAlive(container.state) ? [container.id] : [])),
  )
  const steps: readonly (readonly [subject: string, step: () => Promise<void>])[] = [
    ['network', () => engine.network.reconcile(live)],
    ['links', async () => openLinks(engine)],
    ['tasks and records', () => sweepContainerd(engine)],
    ['snapshots', () => sweepSnapshots(engine, isOwned)],
    ['network namespaces', () => sweepNetns(engine, live)],
    ['temporary mounts', async () => sweepTemporaryMounts(engine)],
    ['volumes', () => sweepVolumes(engine, isOwned)],
    ['streams', () => engine.streams.sweep(live)],
    ['execs', async () => sweepExecRecords(engine, live)],
    ['shared memory', async () => sweepSharedMemory(engine, live)],
  ]
  for (const [subject, step] of steps) {
    try {
      await step()
    } catch (error) {
      engine.log.error(`sweeping ${subject} failed`, { error: messageOf(error) })
    }
  }
}

/** After containerd was away: what could not be removed meanwhile. Containers that are being started now keep what they have. */
async function sweepAgain(engine: Engine): Promise<void> {
  const isOwned = (id: string) => engine.containers.isKnown(id)
  try {
    await sweepContainerd(engine)
    await sweepSnapshots(engine, isOwned)
    await dropOldLeases(engine)
  } catch (error) {
    engine.log.error('sweeping after containerd came back failed', { error: messageOf(error) })
  }
}

/** Records and tasks of containers that are gone, and of runs that have ended. A task can have lost its record when containerd died in between. */
async function sweepContainerd(engine: Engine): Promise<void> {
  const [{ containers }, { tasks }] = await Promise.all([
    engine.containerd.containers.list({ filters: [] }),
    engine.containerd.tasks.list({ filter: '' }),
  ])
  const foreign = new Set(containers.flatMap(({ id, labels }) => (labels[OWNER_LABEL] === engine.id ? [] : [id])))
  // A containerd that is not ours may have other clients in this namespace, and a task without a record be theirs.
  const running = engine.peer.isOwn ? tasks.map((task) => task.containerId || task.id) : []
  const found = new Set([...containers.map(({ id }) => id), ...running])
  await Promise.all(
    [...found].map(async (id) => {
      if (foreign.has(id)) return
      const container = engine.containers.get(id)
      if (container !== undefined)
        return await container.lock.run(async () => {
          if (!isAlive(container.state)) await removeRun(engine, id)
        })
      if (engine.containers.isKnown(id)) return
      await removeRun(engine, id)
      await engine.network.detach(id)
    }),
  )
}

async function removeRun(engine: Engine, id: string): Promise<void> {
  await deleteTask(engine, id)
  await deleteContainerdRecord(engine, id)
}

/** A key begins with its container's id. */
const ID_LENGTH = 64

async function sweepSnapshots(engine: Engine, isOwned: (id: string) => boolean): Promise<void> {
  const lost: string[] = []
  for await (const { info } of engine.containerd.snapshots.list({ snapshotter: SNAPSHOTTER, filters: [] }))
    for (const each of info)
      if (each.labels[OWNER_LABEL] === engine.id && !isOwned(each.name.slice(0, ID_LENGTH))) lost.push(each.name)
  await Promise.all(lost.map((id) => removeSnapshot(engine, id)))
}

async function sweepNetns(engine: Engine, live: ReadonlySet<string>): Promise<void> {
  for (const id of readdirSync(netnsDirectory(engine)))
    if (!live.has(id)) await engine.netns.remove(netnsPath(engine, id))
}

const STARTS_AT_ONCE = 8

/** A restart policy also holds across a restart of the engine. */
async function startByPolicy(engine: Engine): Promise<void> {
  const waiting = engine.containers.list().filter((container) => startsNow(container))
  for (const round of startRounds(engine.containers, waiting)) {
    const startNext = async () => {
      for (let next = round.pop(); next !== undefined; next = round.pop()) {
        if (engine.containers.closing.aborted) return
        await startAgain(engine, next)
      }
    }
    await Promise.all(Array.from({ length: STARTS_AT_ONCE }, startNext))
  }
}

function startsNow(container: Container): boolean {
  const { record, state } = container
  if (isAlive(state) || container.pendingRestart !== undefined || state.status === 'removing') return false
  if (state.status === 'restarting') return true
  const { wasStopped, hasRun, hostConfig, restartCount } = record
  const past = { wasStopped, hasRun, exitCode: state.exitCode, restartCount }
  return startsWithEngine(hostConfig.RestartPolicy ?? {}, past)
}

async function startAgain(engine: Engine, container: Container): Promise<void> {
  try {
    await startContainer(engine, container, { isAutomatic: true })
  } catch (error) {
    engine.log.error('starting a container failed', { container: container.id, error: messageOf(error) })
    await container.lock.run(() => {
      if (container.state.status === 'restarting') container.state.status = 'exited'
      container.saveState()
    })
  }
}
