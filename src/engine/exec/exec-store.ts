// The execs of this engine's containers. Those that run are found again after a restart of the engine, by exec-records.ts.
import { Failure } from '../../base/failure.ts'
import type { Container } from '../container/container.ts'

export interface ExecConfig {
  command: readonly string[]
  /** The user's alone; the container's environment is merged in at the start. */
  env: readonly string[]
  user: string
  workingDir: string
  privileged: boolean
  terminal: boolean
  attachStdin: boolean
  attachStdout: boolean
  attachStderr: boolean
  detachKeys: readonly number[]
  detachKeysText: string
  consoleSize: readonly [height: number, width: number] | undefined
}

export type ExecState =
  | { kind: 'created' }
  | { kind: 'starting' }
  | { kind: 'running'; pid: number }
  | { kind: 'exited'; exitCode: number; pid: number; endedAtMs: number }

export class Exec {
  readonly id: string
  readonly container: Container
  readonly config: ExecConfig
  /** What the container's links say now; they may have said something else as it started. */
  readonly linkVariables: readonly string[]
  state: ExecState = { kind: 'created' }
  /** A detached start leaves the process without input, whatever the configuration wants. */
  hasInput: boolean
  /** Resolves when the process is there, or never will be. */
  readonly started: Promise<void>
  readonly exited: Promise<void>
  #tellStarted: () => void = () => {}
  #tellExited: () => void = () => {}

  constructor(id: string, container: Container, config: ExecConfig, linkVariables: readonly string[] = []) {
    this.id = id
    this.container = container
    this.config = config
    this.linkVariables = linkVariables
    this.hasInput = config.attachStdin
    this.started = new Promise((resolve) => {
      this.#tellStarted = resolve
    })
    this.exited = new Promise((resolve) => {
      this.#tellExited = resolve
    })
  }

  /** Its end may have been told before this. */
  setRunning(pid: number): void {
    if (this.state.kind === 'starting') this.state = { kind: 'running', pid }
    this.#tellStarted()
  }

  /** @param endedPid where the end may be told before the start was: a process that has ended keeps its pid. */
  setExited(exitCode: number, nowMs: number, endedPid = 0): void {
    if (this.state.kind === 'exited') return
    const pid = this.state.kind === 'running' ? this.state.pid : endedPid
    this.state = { kind: 'exited', exitCode, pid, endedAtMs: nowMs }
    this.#tellStarted()
    this.#tellExited()
  }

  /** `exec_create: sh -c ls`; a command without arguments leaves a space at the end, as Docker's. */
  get eventCommand(): string {
    const [entrypoint, ...args] = this.config.command
    return `${entrypoint} ${args.join(' ')}`
  }
}

/** Docker looks every five minutes: what has ended is marked the first time, and gone the second. */
const MARKED_AFTER_MS = 5 * 60_000
const KEPT_MS = 2 * MARKED_AFTER_MS
const SWEEP_EVERY_MS = 10_000
const ID_CHARACTERS_MIN = 3

export class ExecStore {
  readonly #byId = new Map<string, Exec>()
  #sweptAtMs = 0

  add(exec: Exec, nowMs: number): void {
    this.#sweep(nowMs)
    this.#byId.set(exec.id, exec)
    exec.container.execIds.add(exec.id)
  }

  delete(id: string): void {
    const exec = this.#byId.get(id)
    this.#byId.delete(id)
    exec?.container.execIds.delete(id)
  }

  get(id: string): Exec | undefined {
    return this.#byId.get(id)
  }

  /** By its whole id, as Docker wants it. Its container may be gone: who waited for its end asks for the exit code only now. */
  require(id: string): Exec {
    const exec = this.#byId.get(id)
    if (!exec) throw new Failure('not-found', `No such exec instance: ${id}`)
    return exec
  }

  /** One whose container is there. */
  requireLive(id: string): Exec {
    const exec = this.require(id)
    if (exec.container.isGone) throw new Failure('not-found', `No such exec instance: ${id}`)
    return exec
  }

  /** Also by a beginning that no other has. */
  requireByPrefix(prefix: string): Exec {
    if (this.#byId.has(prefix) || prefix.length < ID_CHARACTERS_MIN) return this.require(prefix)
    const [first, ...others] = [...this.#byId.keys()].filter((id) => id.startsWith(prefix))
    if (others.length > 0)
      throw new Failure('invalid-argument', `Multiple exec instances found with provided prefix: ${prefix}`)
    return this.require(first ?? prefix)
  }

  listOf(container: Container): readonly Exec[] {
    return [...container.execIds].flatMap((id) => this.#byId.get(id) ?? [])
  }

  /** Not at every one: who makes thousands would look at thousands each time. */
  #sweep(nowMs: number): void {
    if (Math.abs(nowMs - this.#sweptAtMs) < SWEEP_EVERY_MS) return
    this.#sweptAtMs = nowMs
    for (const { id, state } of this.#byId.values())
      if (state.kind === 'exited' && nowMs - state.endedAtMs > KEPT_MS) this.delete(id)
  }
}

export function canRemove({ state }: Exec, nowMs: number): boolean {
  return state.kind === 'exited' && nowMs - state.endedAtMs > MARKED_AFTER_MS
}
