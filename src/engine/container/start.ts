// POST /containers/{id}/start: from a record to a running process.
import { formatRfc3339Nano } from '../../base/clock.ts'
import { Failure, messageOf, withSubject } from '../../base/failure.ts'
import { nextTurn } from '../../base/next-turn.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import { DEFAULT_PROFILE } from '../apparmor/choose-profile.ts'
import { ensureDefaultProfile } from '../apparmor/load-profile.ts'
import type { Engine } from '../engine.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import { adoptNames, buildSpec } from './build-spec.ts'
import type { Container } from './container.ts'
import { leaveNetwork } from './exit.ts'
import { openLinks } from './links/open-links.ts'
import { tellParents } from './links/linked-containers.ts'
import { explainRunFailure } from './exit-code-of-failure.ts'
import { writeHostsFile, writeNetworkFiles } from './network-files.ts'
import { setUpMounts } from './mounts/set-up-mounts.ts'
import { removeTemporaryMounts } from './mounts/temporary-mounts.ts'
import { networkKind, requireNetwork } from './network-settings.ts'
import { makesNetnsItself } from './join-users.ts'
import { interfaceSysctls } from './spec/interface-sysctls.ts'
import { netnsPath } from './paths.ts'
import { publishRequests } from './port-bindings.ts'
import { judgeStored } from './prepare-config.ts'
import { publishContainerEvent, publishNetworkEvent } from './publish-event.ts'
import { removeContainer } from './remove.ts'
import { cancelRestart } from './restart-later.ts'
import { makeSharedMemory, removeSharedMemory } from './shared-memory.ts'
import { watchHealth } from './watch-health.ts'
import {
  createTask,
  deleteContainerdRecord,
  deleteTask,
  putContainerdRecord,
  requireMounts,
  startTask,
} from './tasks.ts'

const CREATE_SUBJECT = 'failed to create task for container: '
const START_SUBJECT = 'failed to start task for container: '

export interface StartOptions {
  /** By a restart policy: counts and marks of earlier runs stay. */
  isAutomatic: boolean
  /** By a user's `start`: its configuration is judged again. */
  isJudged?: boolean
  /** Directory of the images that the processes are brought back from. */
  checkpoint?: string
}

/** Resolves once the first process has been executed. Throws not-modified when it runs already. Everything is undone on failure. */
export async function startContainer(engine: Engine, container: Container, options: StartOptions): Promise<void> {
  try {
    await container.lock.run(async () => {
      requireStartable(container, options)
      if (options.isJudged === true) await judgeStored(engine, container.record.hostConfig)
      if (!options.isAutomatic) forgetPast(container)
      await container.cleanup
      await run(engine, container, options.checkpoint)
    })
  } catch (error) {
    // `--rm` holds for a container that never came up, too; a refusal says nothing about it.
    if (container.hasFailedToStart && container.record.hostConfig.AutoRemove === true)
      await removeContainer(engine, container, { force: true, removeVolumes: true }).catch(() => {})
    throw error
  }
}

async function run(engine: Engine, container: Container, checkpoint?: string): Promise<void> {
  await using undo = new UndoStack((error) =>
    engine.log.warn('undo of a start failed', { container: container.id, error: messageOf(error) }),
  )
  try {
    requireNetwork(container, engine.network.describe())
    adoptNames(engine, container)
    const mounts = await requireMounts(engine, container)
    undo.defer(() => removeSharedMemory(engine, container.id))
    makeSharedMemory(engine, container)
    // containerd stores the record while we make the network: neither needs the other.
    const own = await setUpMounts(engine, container, undo)
    const spec = await withRequestedDevices(engine, container, buildSpec(engine, container, mounts, own))
    container.processSpec = spec.process
    if (spec.process?.apparmorProfile === DEFAULT_PROFILE) await ensureDefaultProfile()
    const recorded = putContainerdRecord(engine, container, spec)
    recorded.catch(() => {}) // awaited below
    undo.defer(async () => {
      await recorded.catch(() => {})
      await deleteContainerdRecord(engine, container.id)
    })
    await nextTurn()
    const isNetworkInside = makesNetnsItself(engine, container)
    if (!isNetworkInside) await makeNetns(engine, container, undo)
    // Sysctls of an interface are written as the task is created: only then must it be there before. Otherwise the two go side by side.
    const isNetworkFirst = !isNetworkInside && Object.keys(container.record.hostConfig.Sysctls ?? {}).length > 0
    if (isNetworkFirst) await joinNetwork(engine, container, undo)
    writeNetworkFiles(engine, container)
    await recorded
    const created = createTask(engine, container, mounts, checkpoint)
    created.catch(() => {}) // awaited below
    undo.defer(async () => {
      await created.catch(() => {})
      await deleteTask(engine, container.id)
      await engine.streams.close(container.id)
    })
    if (isNetworkInside) await adoptNetns(engine, container, await explained(container, CREATE_SUBJECT, created), undo)
    if (!isNetworkFirst) {
      await nextTurn()
      await joinNetwork(engine, container, undo)
    }
    await runTask(engine, container, created, checkpoint !== undefined)
  } catch (error) {
    noteFailure(container, error)
    throw error
  }
  undo.commit()
  dropTemporaryMounts(engine, container)
}

/** The container has mounts of its own by now. */
function dropTemporaryMounts(engine: Engine, container: Container): void {
  try {
    removeTemporaryMounts(engine, container.id)
  } catch (error) {
    engine.log.warn('temporary mounts stay', { container: container.id, error: messageOf(error) })
  }
}

/** What reads their files is loaded only for who asks for them. */
async function withRequestedDevices(engine: Engine, container: Container, spec: RuntimeSpec): Promise<RuntimeSpec> {
  const requests = container.record.hostConfig.DeviceRequests ?? []
  if (requests.length === 0) return spec
  const { handleDeviceRequests } = await import('../cdi/handle-requests.ts')
  return handleDeviceRequests(spec, requests, engine.config.cdiSpecDirectories)
}

/** Who serves the streams of a process that is brought back is there only with the process itself. */
async function runTask(
  engine: Engine,
  container: Container,
  created: Promise<unknown>,
  isBroughtBack: boolean,
): Promise<void> {
  container.state.oomKilled = false
  await explained(container, CREATE_SUBJECT, created)
  if (!isBroughtBack) await connectWaitingClients(engine, container)
  const startedAtMs = engine.clock.now()
  const startedMonotonicMs = engine.clock.monotonic()
  const pid = await explained(container, START_SUBJECT, startTask(engine, container))
  if (isBroughtBack) await connectWaitingClients(engine, container)
  const { record, state } = container
  record.hasRun = true
  state.status = 'running'
  state.pid = pid
  state.startedAt = formatRfc3339Nano(startedAtMs)
  container.startedMonotonicMs = startedMonotonicMs
  state.exitCode = 0
  state.error = ''
  engine.logs.begin(container)
  publishContainerEvent(engine, container, 'start')
  watchHealth(engine, container, { isNewRun: true })
  // After the client's answer: should a crash come before, containerd tells that it runs.
  void nextTurn().then(() => container.saveState())
}

function requireStartable(container: Container, { isAutomatic }: StartOptions): void {
  container.hasFailedToStart = false
  if (container.isGone || container.isRemoving)
    throw new Failure('conflict', 'container is marked for removal and cannot be started')
  switch (container.state.status) {
    case 'running':
      throw new Failure('not-modified', 'container is already running')
    case 'restarting':
      // To Docker's clients it runs already; its policy brings it up in a moment.
      if (isAutomatic) return
      throw new Failure('not-modified', 'container is already running')
    case 'paused':
      throw new Failure('conflict', 'cannot start a paused container, try unpause instead')
    case 'dead':
    case 'removing':
      throw new Failure('conflict', 'container is marked for removal and cannot be started')
    default:
      return
  }
}

/** A start by hand begins a new count of automatic restarts. */
function forgetPast(container: Container): void {
  cancelRestart(container)
  container.record.restartCount = 0
  container.record.wasStopped = false
  container.lastRestartDelayMs = undefined
  container.isToldToExit = false
}

async function makeNetns(engine: Engine, container: Container, undo: UndoStack): Promise<void> {
  const kind = networkKind(container)
  if (kind === 'host' || kind === 'container') return
  const path = netnsPath(engine, container.id)
  undo.defer(() => engine.netns.remove(path))
  await engine.netns.create(path)
}

/** The task has made it, in its own user namespace: only whose root that is may set up an interface, or mount a sysfs of it. */
async function adoptNetns(engine: Engine, container: Container, pid: number, undo: UndoStack): Promise<void> {
  const path = netnsPath(engine, container.id)
  undo.defer(() => engine.netns.remove(path))
  await engine.netns.adopt(path, `/proc/${pid}/ns/net`)
}

async function joinNetwork(engine: Engine, container: Container, undo: UndoStack): Promise<void> {
  if (networkKind(container) !== 'bridge') {
    undo.defer(async () => publishNetworkEvent(engine, container, 'disconnect'))
    return publishNetworkEvent(engine, container, 'connect')
  }
  if (engine.network.describe() === undefined) return
  const { config, hostConfig } = container.record
  undo.defer(async () => {
    await leaveNetwork(engine, container)
    container.saveState()
  })
  container.record.endpoint = await engine.network
    .attach({
      key: container.id,
      name: container.name,
      netnsPath: netnsPath(engine, container.id),
      ports: publishRequests(config, hostConfig),
      macAddress: config.MacAddress || undefined,
      sysctls: makesNetnsItself(engine, container) ? interfaceSysctls(hostConfig) : {},
    })
    .catch((error: unknown) => {
      throw withSubject('failed to set up container networking', error)
    })
  writeHostsFile(engine, container)
  tellParents(engine, container)
  openLinks(engine)
  publishNetworkEvent(engine, container, 'connect')
}

/** Clients that attached before the start are there before the process writes its first byte. */
async function connectWaitingClients(engine: Engine, container: Container): Promise<void> {
  await Promise.all(
    [...container.waitingClients].map((client) =>
      client.connect().catch((error: unknown) => {
        engine.log.warn('a client could not be attached', { container: container.id, error: messageOf(error) })
        client.cancel()
      }),
    ),
  )
}

/** Turns the runtime's words into Docker's error and the container's exit code. */
async function explained<T>(container: Container, subject: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const { exitCode, failure } = explainRunFailure(subject, error)
    container.state.exitCode = exitCode
    throw failure
  }
}

/** The container stays `created` (or exited), with the reason. */
function noteFailure(container: Container, error: unknown): void {
  const { state } = container
  const UNKNOWN_EXIT_CODE = 128
  container.hasFailedToStart = true
  state.error = messageOf(error)
  if (state.exitCode === 0) state.exitCode = UNKNOWN_EXIT_CODE
  container.saveState()
  for (const client of container.waitingClients) client.cancel()
}
