// A container out of a checkpoint's files. Up to its pid everything is as for a new one; its processes are made by criu.
import { closeSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, messageOf } from '../base/failure.ts'
import { UndoStack } from '../base/undo-stack.ts'
import type { Cgroup } from '../linux/cgroup/cgroup.ts'
import { requireUnusedCgroup } from '../linux/cgroup/require-unused.ts'
import type { Fd } from '../linux/kernel.ts'
import { connectUnixSocket, sendDescriptor } from '../linux/pass-descriptor.ts'
import { readProcessStat } from '../linux/proc/process-stat.ts'
import { listOf, stringOf } from '../oci/json-shape.ts'
import { planFirstCgroupLimits } from '../runtime/plan-cgroup-limits.ts'
import { DESCRIPTORS_FILE } from './checkpoint-container.ts'
import type { GlobalSettings } from './command.ts'
import { stateDocument } from './container-status.ts'
import { draftRecord, openGroup } from './create-container.ts'
import { type Criu, requireVersion } from './criu/criu-program.ts'
import { mountCriuRoot } from './criu/criu-root.ts'
import { openDirectories } from './criu/directories.ts'
import { findExternalMounts } from './criu/external-mounts.ts'
import { makeMountPoints } from './criu/mount-points.ts'
import { type JoinedNamespaces, openNamespaces } from './criu/restored-namespaces.ts'
import { quoteCriuErrors } from './criu/criu-log.ts'
import { type CriuDirectories, RESTORE_LOG, restoreRequest } from './criu/requests.ts'
import { CriuSession, type Notification } from './criu/session.ts'
import type { RestoreSettings } from './criu/settings.ts'
import { ioReason } from './io-error.ts'
import type { Bundle } from './load-bundle.ts'
import type { RuntimeLog } from './runtime-log.ts'
import { signalProcess } from './signal-process.ts'
import { type ContainerRecord, lockState, makeStateDirectory, removeStateDirectory, writeState } from './state-store.ts'
import { readStandardStreams } from './standard-streams.ts'

export interface RestoreRequest {
  criu: Criu
  settings: GlobalSettings
  log: RuntimeLog
  id: string
  bundle: Bundle
  criuSettings: RestoreSettings
  /** Gets the master of the terminal; without one it is kept for whoever follows. */
  consoleSocket: string | undefined
  /** Called with the pid when the processes run; what it throws undoes everything. */
  onRestored(pid: number): void
}

export interface RestoredContainer {
  record: ContainerRecord
  /** Master of its terminal, the caller's to close. */
  terminal: Fd | undefined
}

const SIGKILL = 9

/** Everything is undone on failure; what a crash leaves, `delete --force` removes. Throws Failure in runc's words. */
export async function restoreContainer(request: RestoreRequest): Promise<RestoredContainer> {
  const { settings, log, id, bundle } = request
  const { root } = settings
  await using undo = new UndoStack((error) => log.write('warning', `undo of ${id}: ${messageOf(error)}`))
  const directory = makeStateDirectory(root, id)
  undo.defer(() => removeStateDirectory(root, id))
  using lock = await lockState(root, id, 0)
  if (lock === undefined) throw new Failure('already-exists', 'container with given ID already exists')
  const record = draftRecord(request)
  const cgroup = await openGroup(request)
  record.cgroup = cgroup?.describe()
  writeState(root, record) // from here on a crash leaves nothing nameless
  if (cgroup !== undefined) requireUnusedCgroup(cgroup) // somebody else's is not ours to remove
  undo.defer(() => cgroup?.remove())
  await cgroup?.create(planFirstCgroupLimits(bundle.spec.linux?.resources))
  record.cgroup = cgroup?.describe()

  makeMountPoints(bundle.spec, bundle.rootfs)
  using criuRoot = mountCriuRoot(bundle.rootfs, directory)
  undo.defer(() => {
    cgroup?.killAll()
    signalProcess(record.pid, record.startTicks, SIGKILL)
  })
  const terminal = await runCriu(request, { record, cgroup, criuRoot: criuRoot.path })
  request.onRestored(record.pid)
  record.isCreated = true
  writeState(root, record)
  undo.commit()
  return { record, terminal }
}

interface Restoration {
  record: ContainerRecord
  cgroup: Cgroup | undefined
  criuRoot: string
}

/** Resolves with the terminal's master, where nobody else got it. */
async function runCriu(request: RestoreRequest, restoration: Restoration): Promise<Fd | undefined> {
  const { log, criuSettings } = request
  requireLsmSupport(request)
  const descriptors = readDescriptors(criuSettings.imagesDirectory)
  using directories = openDirectories(criuSettings)
  using namespaces = openNamespaces(request.criu, request.bundle.spec)
  const logPath = join(criuSettings.workDirectory ?? criuSettings.imagesDirectory, RESTORE_LOG)
  const stages = new RestoreStages(request, restoration)
  try {
    await converse(request, restoration, { directories, namespaces, descriptors, stages })
    return stages.terminal
  } catch (error) {
    stages.close()
    quoteCriuErrors(log, logPath)
    throw new Failure('internal', `${messageOf(error)}\nlog file: ${logPath}`, { cause: error })
  }
}

interface Parts {
  directories: CriuDirectories
  namespaces: JoinedNamespaces
  descriptors: readonly string[]
  stages: RestoreStages
}

async function converse(
  { criu, bundle, criuSettings }: RestoreRequest,
  { record, cgroup, criuRoot }: Restoration,
  { directories, namespaces, descriptors, stages }: Parts,
): Promise<void> {
  using session = CriuSession.start(criu.program, { usesOurStreams: true, extra: namespaces.descriptors })
  await cgroup?.add(session.pid)
  cgroup?.settle()
  record.criuExternals = readStandardStreams(session.pid)
  const facts = {
    spec: bundle.spec,
    root: criuRoot,
    directories,
    mounts: findExternalMounts(bundle.spec, bundle.rootfs, cgroup),
    cgroups: readCgroups(session.pid),
    namespaces: namespaces.kinds,
    joined: namespaces.joined,
    descriptors,
  }
  await session.ask(restoreRequest(criuSettings, facts), (notification) => stages.reach(notification))
  const code = session.finish()
  if (code !== 0) throw new Failure('internal', `criu failed: exit status ${code}`)
  if (record.pid === 0) throw new Failure('internal', 'criu has restored no process')
}

/** criu 3.14 restores processes into a time namespace, so that their clocks go on. */
const MAKES_TIME_NAMESPACE = 31400

/** What is ours to do while criu waits. */
class RestoreStages {
  terminal: Fd | undefined
  readonly #request: RestoreRequest
  readonly #record: ContainerRecord

  constructor(request: RestoreRequest, { record }: Restoration) {
    this.#request = request
    this.#record = record
  }

  async reach({ script, pid, descriptors }: Notification): Promise<Fd | undefined> {
    this.#request.log.write('debug', `notify: ${script}`)
    switch (script) {
      case 'setup-namespaces':
        await this.#runHooks(pid)
        return undefined
      case 'post-restore':
        this.#note(pid)
        return undefined
      case 'orphan-pts-master':
        return this.#passTerminal(descriptors[0])
      default: // network-lock and others: what is in namespaces is not ours
        return undefined
    }
  }

  close(): void {
    if (this.terminal !== undefined) closeSync(this.terminal)
    this.terminal = undefined
  }

  async #runHooks(pid: number): Promise<void> {
    const { hooks } = this.#record.spec
    const first = [...(hooks?.prestart ?? []), ...(hooks?.createRuntime ?? [])]
    if (first.length === 0) return
    const { runHooks } = await import('../runtime/host/run-hooks.ts')
    const state = { ...stateDocument(this.#record, 'creating'), pid }
    for (const list of [hooks?.prestart, hooks?.createRuntime])
      await runHooks({ hooks: list, state, cwd: this.#record.bundle })
  }

  #note(pid: number): void {
    const record = this.#record
    record.pid = pid
    record.startTicks = readProcessStat(pid)?.startTicks ?? 0
    const { linux } = record.spec
    const namespaces = linux?.namespaces ?? []
    if (this.#request.criu.version >= MAKES_TIME_NAMESPACE && !namespaces.some(({ type }) => type === 'time'))
      record.spec = { ...record.spec, linux: { ...linux, namespaces: [...namespaces, { type: 'time' }] } }
    writeState(this.#request.settings.root, record)
  }

  /** Returns it where nobody else is to have it. */
  #passTerminal(master: Fd | undefined): Fd | undefined {
    if (master === undefined) throw new Failure('internal', 'criu has sent no terminal')
    const { consoleSocket } = this.#request
    if (consoleSocket === undefined) {
      this.close() // the last one is the one that counts
      this.terminal = master
      return master
    }
    const socket = connectUnixSocket(consoleSocket)
    try {
      sendDescriptor(socket, '/dev/ptmx', master)
    } finally {
      closeSync(socket)
    }
    return undefined
  }
}

function readDescriptors(imagesDirectory: string): string[] {
  const path = join(imagesDirectory, DESCRIPTORS_FILE)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Failure('not-found', `open ${path}: ${ioReason(error)}`, { cause: error })
  }
  try {
    return listOf(JSON.parse(text), DESCRIPTORS_FILE, stringOf)
  } catch (error) {
    throw new Failure('invalid-argument', `${path}: ${messageOf(error)}`, { cause: error })
  }
}

/** criu itself is in the container's groups by now, and tells its children to stay. */
function readCgroups(pid: number): { controller: string; path: string }[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  return lines.flatMap((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    return controllers.split(',').map((controller) => ({ controller, path }))
  })
}

/** criu 3.16 */
const CHANGES_LSM = 31600

function requireLsmSupport({ criu, criuSettings }: RestoreRequest): void {
  for (const [name, value] of [
    ['lsm-profile', criuSettings.lsmProfile],
    ['lsm-mount-context', criuSettings.lsmMountContext],
  ] as const) {
    if (value === undefined) continue
    try {
      requireVersion(criu, CHANGES_LSM)
    } catch (error) {
      throw new Failure('failed-precondition', `--${name} requires at least CRIU 3.16`, { cause: error })
    }
  }
}
