// One container's shim as the daemons see it: made by spawn-shim.ts, found again by connect-shim.ts.
import type { ProcessPlan, SyncPoint } from '../linux/steps.ts'
import type { HookReport } from './hook-report.ts'

/** `init` is the container's first process; every other name is an exec's id ([A-Za-z0-9_.-]+, at most 128). */
export type ProcessName = string
export const INIT_PROCESS: ProcessName = 'init'

/** Rotation renames to `.1`, `.2`, … */
export interface ShimLog {
  /** Docker's formats: `{"log":…,"stream":…,"time":…}` a line, or length-prefixed records of protobuf. */
  driver: 'json-file' | 'local'
  path: string
  /** 0: never rotate. */
  maxSizeBytes: number
  /** Files kept, the current one among them; at least 1. */
  maxFiles: number
  /** Stands in every entry as it is: for json-file a JSON object, for local encoded fields of a LogEntry. At most 32 KiB. */
  attributes?: Uint8Array
}

export interface ShimSettings {
  /** Directory with the plan, sockets and records; absolute. */
  bundle: string
  /** Shown in `ps`: `<namespace>/<id>`. */
  label: string
  /** Where attach clients connect; undefined: no stream socket. Its directory must exist. */
  streamSocketPath: string | undefined
  log: ShimLog | undefined
  /** The first attach client's end of input closes the process's standard input. */
  stdinOnce: boolean
  spillMaxBytes: number
  stallSeconds: number
  lingerSeconds: number
}

export interface ProcessState {
  process: ProcessName
  state: 'created' | 'running' | 'exited'
  pid: number
  /** Only with `exited`. */
  exit: ProcessExit | undefined
}

export interface ProcessExit {
  /** The exit code, or 128 + signal. */
  code: number
  /** Nanoseconds since the epoch. */
  exitedAtNs: bigint
}

/** A step of a plan failed; the caller, who wrote the plan, makes a sentence of it. `step` undefined: the shim itself failed. */
export class StepFailure extends Error {
  readonly step: number | undefined
  readonly errno: number
  /** Where the step was a hook that ran and failed. */
  readonly hook: HookReport | undefined

  constructor(step: number | undefined, errno: number, hook?: HookReport) {
    super(`step ${step ?? '-'}: errno ${errno}`)
    this.name = 'StepFailure'
    this.step = step
    this.errno = errno
    this.hook = hook
  }
}

/** A process has stopped at a `sync` step, or after `seccomp` with a listener. */
export interface SyncRequest {
  process: ProcessName
  point: SyncPoint
  /** With SYNC.seccomp the listener's descriptor in that process. */
  value: number
  pid: number
}
/** Does the spawner's part; resolves with what the process keeps for its hooks (the container's state as JSON), rejects to give up on it. */
export type OnSync = (request: SyncRequest) => Promise<string>

/**
 * A process made by another OCI runtime: the shim runs the command (`crun create …`), waits for it, and takes the process that the pid file
 * names for its own, which it is as the nearest subreaper. The command's standard streams are the process's pipes; with a terminal the shim
 * listens on `<bundle>/<consoleSocket>` for the master.
 */
export interface CommandPlan {
  argv: readonly string[]
  env: readonly string[]
  cwd: string
  pidFile: string
  terminal: boolean
  stdin: boolean
  consoleSocket: string
  /** The command starts the process too (`exec --detach`): it is `running` as soon as it is known. */
  startsAtOnce: boolean
  /** Whose the pipes of its standard streams become before it runs: a user namespace's root, who could not open them anew. Left out: ours. */
  streamOwner?: { uid: number; gid: number }
}

/** Where the shim copies a process's streams besides the stream socket: paths of FIFOs or, for output, regular files to append to. '' is nowhere. */
export interface StreamPaths {
  /** Read until `closeStdin` and until then no other writer is left: a client that goes away is no end of input. */
  stdin: string
  stdout: string
  stderr: string
}

/**
 * No process at all but its streams: FIFOs whose other ends a foreign shim has, which makes and watches the process. The shim reads output as long as
 * somebody has the FIFO open for writing, and then tells the process as exited, with code 0. Standard input is opened once it has a reader.
 */
export interface RelayPlan {
  terminal: boolean
  /** '' where there is none. With a terminal all output comes from `stdout`. */
  fifos: StreamPaths
}

/** What a process is made from. A shim has either relays or processes. */
export type ProcessSource = { plan: ProcessPlan } | { command: CommandPlan } | { relay: RelayPlan }

export interface ProcessOptions {
  /** Absent: a process that stops at a sync point is given up. */
  onSync?: OnSync
  streams?: StreamPaths
}

/** A control connection. All methods reject with StepFailure or with Failure('unavailable') when the shim is gone. */
export interface Shim extends AsyncDisposable {
  readonly shimPid: number
  /** The states last told by the shim, current without a round trip. */
  readonly processes: ReadonlyMap<ProcessName, ProcessState>
  /** Lets a created process proceed to its exec, with the container's state for its hooks. Resolves once it has been executed. */
  start(process: ProcessName, state?: string): Promise<void>
  /** Says that its runtime has started a process that a command made, or whose streams are relayed. */
  started(process: ProcessName): Promise<void>
  /** Makes a further process (exec), up to `created`, or where a command starts it at once, to `running`. Rejects with what `onSync` rejected with. */
  add(process: ProcessName, source: ProcessPlan | ProcessSource, options?: ProcessOptions): Promise<{ pid: number }>
  kill(process: ProcessName, signal: number): Promise<void>
  resize(process: ProcessName, size: { rows: number; columns: number }): Promise<void>
  closeStdin(process: ProcessName): Promise<void>
  remove(process: ProcessName): Promise<void>
  /** Kills what lives; the shim ends. Resolves when it is gone. Idempotent. */
  shutdown(): Promise<void>
  /** Called for every exit, once; also for those that happened before, at once upon registration. */
  onExit(listener: (state: ProcessState & { exit: ProcessExit }) => void): void
  /** Called where a client's end of input has ended a relayed process's: whoever holds the FIFO open for writing has to let go. May be told again. */
  onInputEnd(listener: (process: ProcessName) => void): void
  /** Resolves when the connection is lost (the shim ended or was killed). */
  readonly closed: Promise<void>
}

/**
 * Writes the plan, starts berth-shim and waits until the first process is created. Rejects with what `onSync` rejected with.
 * @param rootfs descriptor of the detached mount for ROOTFS_SLOT; lent, the caller closes it.
 */
export type SpawnShim = (
  settings: ShimSettings,
  source: ProcessPlan | ProcessSource,
  rootfs: number | undefined,
  options?: ProcessOptions,
) => Promise<Shim>

/** Connects to a living shim; undefined where none listens. The exit records on disk (`read-exit-record.ts`) then say what happened. */
export type ConnectShim = (bundle: string) => Promise<Shim | undefined>
