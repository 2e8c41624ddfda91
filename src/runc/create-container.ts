// From a bundle to a process that waits for its start. What is on disk and in the kernel at each moment can be deleted by `delete --force`.
import { closeSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { formatRfc3339Nano } from '../base/clock.ts'
import { Failure, messageOf } from '../base/failure.ts'
import { UndoStack } from '../base/undo-stack.ts'
import type { Cgroup } from '../linux/cgroup/cgroup.ts'
import { openCgroup } from '../linux/cgroup/open-cgroups.ts'
import { requireUnusedCgroup } from '../linux/cgroup/require-unused.ts'
import { readProcessStat } from '../linux/proc/process-stat.ts'
import type { RuntimeSpec } from '../oci/runtime-spec.ts'
import { planFirstCgroupLimits } from '../runtime/plan-cgroup-limits.ts'
import { type SyncContext, serveSync } from '../runtime/host/serve-sync.ts'
import { describeStartFailures } from './start-failures.ts'
import { explainFirstBirth } from './explain-birth.ts'
import { followBirth } from './follow-birth.ts'
import { initProgram } from './init-program.ts'
import { NOTIFY_DIRECTORY } from './notify-socket.ts'
import { signalProcess } from './signal-process.ts'
import { readStandardStreams } from './standard-streams.ts'
import { makeFifos } from './make-fifo.ts'
import { type PlanRequest, planBundle } from './plan-bundle.ts'
import type { RuntimeLog } from './runtime-log.ts'
import { type SpawnedInit, spawnInit } from './spawn-init.ts'
import { type ContainerRecord, lockState, makeStateDirectory, removeStateDirectory, writeState } from './state-store.ts'

const SIGKILL = 9

export interface CreationRequest extends PlanRequest {
  log: RuntimeLog
  hasNotifySocket: boolean
  /** berth-init stays with the process and tells its end. */
  keep: boolean
  /** Called with the pid when the process is there, before the creation is done; what it throws undoes everything. */
  onCreated(pid: number): void
}

type Ordered = Pick<CreationRequest, 'settings' | 'id' | 'bundle'>

export interface CreatedContainer {
  record: ContainerRecord
  init: SpawnedInit
}

/** The caller closes the channel. Everything is undone on failure. */
export async function createContainer(request: CreationRequest): Promise<CreatedContainer> {
  const { settings, log, id, bundle } = request
  const { root } = settings
  await using undo = new UndoStack((error) => log.write('warning', `undo of ${id}: ${messageOf(error)}`))
  const directory = makeStateDirectory(root, id)
  undo.defer(() => removeStateDirectory(root, id))
  if (request.hasNotifySocket) mkdirSync(join(directory, NOTIFY_DIRECTORY), { mode: 0o755 })
  using lock = await lockState(root, id, 0)
  if (lock === undefined) throw new Failure('already-exists', 'container with given ID already exists')

  const record = draftRecord(request)
  const cgroup = await openGroup(request)
  record.cgroup = cgroup?.describe()
  writeState(root, record) // from here on a crash leaves nothing nameless
  if (cgroup !== undefined) requireUnusedCgroup(cgroup) // somebody else's is not ours to remove
  undo.defer(() => cgroup?.remove())
  await cgroup?.create(planFirstCgroupLimits(bundle.spec.linux?.resources))
  record.cgroup = cgroup?.describe() // an ordinary user's may be fewer than was asked for

  const described = planBundle(request, cgroup, makeFifos(directory))
  for (const warning of described.warnings ?? []) log.write('warning', warning)
  record.startFailures = describeStartFailures(described)
  const init = spawnInit({
    program: initProgram(),
    plan: described.plan,
    preserved: request.launch.preservedDescriptors,
    keep: request.keep,
  })
  undo.defer(() => closeSync(init.channel)) // ends what waits at the other side
  undo.defer(() => killBorn(record, cgroup))
  const note = (pid: number) => {
    record.pid = pid
    record.startTicks = readProcessStat(pid)?.startTicks ?? 0
    writeState(root, record)
  }
  try {
    await followBirth(init, request.keep, {
      onCloned: note,
      onSync: (sync) => serveSync(sync, syncContext(request, cgroup)),
    })
  } catch (error) {
    throw new Failure('internal', `unable to start container process: ${explainFirstBirth(described, error)}`, {
      cause: error,
    })
  }
  if (!hasUserNamespace(bundle.spec)) await enterByAdd(cgroup, record.pid)
  cgroup?.settle()
  request.onCreated(record.pid)
  record.isCreated = true
  writeState(root, record)
  undo.commit()
  return { record, init }
}

function syncContext({ id, bundle, settings }: CreationRequest, cgroup: Cgroup | undefined): SyncContext {
  return {
    id,
    spec: bundle.spec,
    bundle: bundle.directory,
    mapper: { isRootless: settings.isRootless, euid: process.geteuid?.() ?? 0, egid: process.getegid?.() ?? 0 },
    enterCgroup: (pid) => enterByAdd(cgroup, pid),
  }
}

/** Where the process may not enter by itself (a user's systemd moves it). */
async function enterByAdd(cgroup: Cgroup | undefined, pid: number): Promise<void> {
  if (cgroup?.entry().byAdd === true) await cgroup.add(pid)
}

function hasUserNamespace({ linux }: RuntimeSpec): boolean {
  return linux?.namespaces?.some(({ type, path }) => type === 'user' && !path) === true
}

/** Of a container that nothing has been made of yet. */
export function draftRecord({ id, bundle, settings }: Ordered): ContainerRecord {
  return {
    version: 1,
    id,
    bundle: bundle.directory,
    rootfs: bundle.rootfs,
    created: formatRfc3339Nano(Date.now()),
    pid: 0,
    startTicks: 0,
    maker: { pid: process.pid, startTicks: readProcessStat(process.pid)?.startTicks ?? 0 },
    isCreated: false,
    isRootless: settings.isRootless,
    cgroup: undefined,
    startFailures: {},
    resctrlGroup: undefined,
    criuExternals: bundle.spec.process?.terminal === true ? [] : readStandardStreams('self'),
    spec: bundle.spec,
  }
}

/** The control group that it is to have; undefined where it is to have none. */
export async function openGroup({ settings, id, bundle }: Ordered): Promise<Cgroup | undefined> {
  if (settings.cgroupManager === 'disabled') return undefined
  const { linux, annotations } = bundle.spec
  const ownerUid = rootOf(bundle.spec)
  return await openCgroup({
    cgroupsPath: linux?.cgroupsPath,
    id,
    systemd: settings.usesSystemdCgroup,
    rootless: settings.isRootless,
    ...(ownerUid === undefined ? {} : { ownerUid }),
    ...(annotations === undefined ? {} : { annotations }),
  })
}

/** The host's id of the container's root, where it has a user namespace. */
function rootOf({ linux }: RuntimeSpec): number | undefined {
  return linux?.uidMappings?.find(({ containerID }) => containerID === 0)?.hostID
}

/** By pidfd: what was noted may have ended already, and its number gone to another. It is our child, or berth-init's that adopts for us. */
function killBorn(record: ContainerRecord, cgroup: Cgroup | undefined): void {
  cgroup?.killAll()
  signalProcess(record.pid, record.startTicks, SIGKILL)
}
