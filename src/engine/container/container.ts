// A container of this engine: its record, which is on disk, and what this process knows of it while it lives.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ContainerConfig, HostConfig } from '../../api/container-types.ts'
import { replaceFileSync } from '../../base/atomic-file.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { Mutex } from '../../base/mutex.ts'
import type { Endpoint } from '../../network/network.ts'
import type { ProcessSpec } from '../../oci/runtime-spec.ts'
import type { ContainerState, ExitStatus } from './container-state.ts'
import { isAlive } from './container-state.ts'
import { ExitWaiters } from './exit-waiters.ts'
import type { ContainerMount } from './mounts/container-mount.ts'

export const RECORD_FILE = 'container.json'

/** Survives this process; `<data-root>/containers/<id>/container.json`. */
export interface ContainerRecord {
  version: 1
  readonly id: string
  /** Without the slash that Docker's API puts in front. */
  name: string
  /** RFC 3339 with nanoseconds. */
  readonly createdAt: string
  readonly image: {
    /** Digest of the image's configuration. */
    id: string
    chainId: string | undefined
    manifest: { mediaType: string; digest: string; size: number } | undefined
  }
  readonly path: string
  readonly args: readonly string[]
  readonly config: ContainerConfig
  hostConfig: HostConfig
  state: ContainerState
  restartCount: number
  /** By stop, or by kill with the stop signal: restart policies leave it down. */
  wasStopped: boolean
  hasRun: boolean
  /** Should the engine die in the middle of it, the next one lets the container go on. */
  isPausedByCommit?: boolean
  /** While it runs in a network. */
  endpoint: Endpoint | undefined
  readonly mountPoints: readonly ContainerMount[]
  /** Of `--link`: whom it is linked to, in the order asked for. */
  links?: readonly LinkRecord[]
}

export interface LinkRecord {
  alias: string
  id: string
  /** As the link was made. */
  name: string
}

/** A client that attached before the start; the start connects it between create and run, so that it misses nothing. */
export interface WaitingClient {
  connect(): Promise<void>
  /** The start has failed or the container is gone. */
  cancel(): void
}

/** containerd.types.Mount of the container's snapshot. */
export interface SnapshotMount {
  type: string
  source: string
  target: string
  options: string[]
}

export class Container {
  readonly record: ContainerRecord
  /** `<data-root>/containers/<id>`. */
  readonly directory: string
  readonly createdAtMs: number
  /** Held by whoever changes the state: start, exit, pause, removal. */
  readonly lock = new Mutex()
  readonly waiters = new ExitWaiters()
  readonly waitingClients = new Set<WaitingClient>()
  /** Ids of execs that belong to it, ended ones included. */
  readonly execIds = new Set<string>()
  /** What the snapshotter answered when the snapshot was made; asked again after a restart of this process. */
  mounts: SnapshotMount[] | undefined
  /** Of the run under way, for its execs; fetched from containerd after a restart of this process. */
  processSpec: ProcessSpec | undefined
  /** By the clock that nobody sets; undefined where a former engine has seen the start. */
  startedMonotonicMs: number | undefined
  /** The automatic restart under way. */
  pendingRestart: { cancel(): void } | undefined
  lastRestartDelayMs: number | undefined
  /** Ends the health checks of the run under way. */
  healthWatch: AbortController | undefined
  /** Stop, or a signal that means it, was sent to this run: no policy brings it back. */
  isToldToExit = false
  isRemoving = false
  /** From now on no exec begins. */
  isPausing = false
  /** The last start was tried and undone. */
  hasFailedToStart = false
  /** `docker restart` brings it up again itself: neither policy nor auto-remove apply to the stop in between. */
  isBeingRestarted = false
  /** What a former run still has in containerd; the next start waits for it. */
  cleanup: Promise<void> = Promise.resolve()
  isGone = false

  readonly #log: Log

  constructor(record: ContainerRecord, directory: string, log: Log) {
    this.record = record
    this.directory = directory
    this.createdAtMs = Date.parse(record.createdAt)
    this.#log = log
  }

  get id(): string {
    return this.record.id
  }

  get name(): string {
    return this.record.name
  }

  get state(): ContainerState {
    return this.record.state
  }

  get hasTerminal(): boolean {
    return this.record.config.Tty === true
  }

  exitStatus(): ExitStatus {
    return { exitCode: this.state.exitCode, error: this.state.error }
  }

  /** Writes the record; a few tens of microseconds. A removed container is not written again. */
  save(): void {
    if (!this.isGone) replaceFileSync(join(this.directory, RECORD_FILE), JSON.stringify(this.record))
  }

  /** As `save`, where the change has happened already: a full disk only costs the memory of it, and after a restart containerd tells what is true. */
  saveState(): void {
    try {
      this.save()
    } catch (error) {
      this.#log.error('saving a container failed', { container: this.id, error: messageOf(error) })
    }
  }

  makeDirectory(): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o710 })
  }

  requireAlive(): void {
    if (!isAlive(this.state)) throw notRunning(this)
  }
}

export function notRunning(container: Container): Failure {
  return new Failure('conflict', `container ${container.id} is not running`)
}

export function isRestarting(container: Container): Failure {
  return new Failure('conflict', `Container ${container.id} is restarting, wait until the container is running`)
}
