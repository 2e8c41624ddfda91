// What Docker's documents say a container does, written once more and as plainly as can be: the model that the engine is compared with.
import type { RestartPolicy } from '../../src/api/container-types.ts'
import type { ContainerStatus } from '../../src/engine/container/container-state.ts'
import type { FailureCode } from '../../src/base/failure.ts'

/** Milliseconds from the test's beginning, as all times here. */
export interface ModelContainer {
  name: string
  policy: RestartPolicy
  autoRemove: boolean
  status: ContainerStatus
  exitCode: number
  restartCount: number
  hasRun: boolean
  wasStopped: boolean
  isToldToExit: boolean
  isStubborn: boolean
  oomKilled: boolean
  startedAtMs: number
  /** Of the automatic restart before this run, or under way. */
  delayMs: number | undefined
  restartsAtMs: number
}

export type Step =
  | { kind: 'create'; slot: number; policy: RestartPolicy; autoRemove: boolean }
  | { kind: 'start'; slot: number; isStubborn: boolean; fails: boolean }
  | { kind: 'stop' | 'restart' | 'pause' | 'unpause' | 'oom'; slot: number }
  | { kind: 'kill'; slot: number; signal: 'KILL' | 'TERM' }
  | { kind: 'exit'; slot: number; code: number }
  | { kind: 'rename'; slot: number; to: number }
  | { kind: 'remove'; slot: number; force: boolean }
  | { kind: 'wind'; ms: number }
  | { kind: 'crash' | 'reboot' }

export const NAMES = ['one', 'two', 'three'] as const
const KILLED = 128 + 9
const TERMINATED = 128 + 15
const UNSEEN = 255
const START_FAILED = 128

export class ContainerModel {
  nowMs = 0
  /** By name. */
  readonly containers = new Map<string, ModelContainer>()

  /** Undefined where it succeeds, else the code of the refusal. */
  apply(step: Step): FailureCode | undefined {
    if (step.kind === 'wind') return void this.#wind(step.ms)
    if (!('slot' in step)) return void this.#beginAgain(step.kind === 'reboot')
    const name = NAMES[step.slot] ?? ''
    if (step.kind === 'create') return this.#create(name, step)
    const container = this.containers.get(name)
    if (container === undefined) return 'not-found'
    switch (step.kind) {
      case 'start':
        return this.#start(container, step)
      case 'stop':
        if (!isUp(container)) return 'not-modified'
        return void this.#stop(container)
      case 'restart':
        return this.#restart(container)
      case 'kill':
        if (!isUp(container)) return 'conflict'
        return void this.#kill(container, step.signal)
      case 'exit':
        return isAlive(container) ? void this.#end(container, step.code) : undefined
      case 'oom':
        if (!isAlive(container)) return undefined
        container.oomKilled = true
        return void this.#end(container, KILLED)
      case 'pause':
        if (container.status !== 'running') return 'conflict'
        container.status = 'paused'
        return undefined
      case 'unpause':
        if (container.status !== 'paused') return 'unknown' // Docker calls it its own failure
        container.status = 'running'
        return undefined
      case 'rename':
        return this.#rename(container, NAMES[step.to] ?? '')
      case 'remove':
        if (isUp(container) && !step.force) return 'conflict'
        this.containers.delete(name)
        return undefined
    }
  }

  #create(name: string, { policy, autoRemove }: Step & { kind: 'create' }): FailureCode | undefined {
    if (autoRemove && policy.Name !== 'no') return 'invalid-argument'
    if (this.containers.has(name)) return 'conflict'
    this.containers.set(name, {
      ...{ name, policy, autoRemove, status: 'created', exitCode: 0, restartCount: 0, hasRun: false },
      ...{ wasStopped: false, isToldToExit: false, isStubborn: false, oomKilled: false, startedAtMs: 0 },
      ...{ delayMs: undefined, restartsAtMs: 0 },
    })
    return undefined
  }

  #start(container: ModelContainer, step: { isStubborn: boolean; fails: boolean }): FailureCode | undefined {
    if (container.status === 'paused') return 'conflict'
    if (isUp(container)) return 'not-modified'
    forget(container)
    container.oomKilled = false
    if (!step.fails) return void this.#run(container, step.isStubborn)
    container.exitCode = START_FAILED
    if (container.autoRemove) this.containers.delete(container.name)
    return 'unknown'
  }

  #run(container: ModelContainer, isStubborn: boolean): void {
    Object.assign(container, { status: 'running', exitCode: 0, hasRun: true, isStubborn, startedAtMs: this.nowMs })
    container.oomKilled = false
  }

  /** After no time at all SIGKILL follows. */
  #stop(container: ModelContainer): void {
    const isDeaf = container.isStubborn && isAlive(container)
    this.#signal(container, isDeaf ? KILLED : TERMINATED)
  }

  #kill(container: ModelContainer, signal: 'KILL' | 'TERM'): void {
    if (signal === 'TERM' && container.isStubborn && isAlive(container)) {
      Object.assign(container, { wasStopped: true, isToldToExit: true, status: 'running' }) // a frozen one is thawed for it
      return
    }
    this.#signal(container, signal === 'KILL' ? KILLED : TERMINATED)
  }

  #signal(container: ModelContainer, exitCode: number): void {
    container.wasStopped = true
    container.isToldToExit = true
    if (container.status === 'restarting') container.status = 'exited'
    else this.#end(container, exitCode)
  }

  #restart(container: ModelContainer): FailureCode | undefined {
    const isStubborn = false
    // It is started again whatever its policy says, and not removed in between.
    forget(container)
    this.#run(container, isStubborn)
    return undefined
  }

  #end(container: ModelContainer, exitCode: number): void {
    container.exitCode = exitCode
    const delayMs = container.isToldToExit ? undefined : this.#delay(container)
    container.isToldToExit = false
    if (delayMs === undefined) {
      container.status = 'exited'
      if (container.autoRemove) this.containers.delete(container.name)
      return
    }
    Object.assign(container, { status: 'restarting', delayMs, restartsAtMs: this.nowMs + delayMs })
    container.restartCount++
  }

  #delay(container: ModelContainer): number | undefined {
    if (!wantsRestart(container)) return undefined
    const isFirst = container.delayMs === undefined || this.nowMs - container.startedAtMs >= 10_000
    return isFirst ? 100 : Math.min((container.delayMs ?? 0) * 2, 60_000)
  }

  #rename(container: ModelContainer, to: string): FailureCode | undefined {
    if (to === container.name) return 'invalid-argument'
    if (this.containers.has(to)) return 'conflict'
    this.containers.delete(container.name)
    container.name = to
    this.containers.set(to, container)
    return undefined
  }

  #wind(ms: number): void {
    this.nowMs += ms
    for (const container of this.containers.values())
      if (container.status === 'restarting' && container.restartsAtMs <= this.nowMs) this.#run(container, false)
  }

  /** A new engine. It knows what is on disk, and of containers that ended meanwhile no more than that. */
  #beginAgain(isReboot: boolean): void {
    for (const container of [...this.containers.values()]) {
      container.delayMs = undefined
      container.isToldToExit = false
      if (isAlive(container) && isReboot) {
        Object.assign(container, { status: 'exited', exitCode: UNSEEN })
        if (container.autoRemove) this.containers.delete(container.name)
      }
      if (isAlive(container)) continue
      if (container.status === 'restarting' || (container.hasRun && wantsRestart(container)))
        this.#run(container, false)
    }
  }
}

function forget(container: ModelContainer): void {
  Object.assign(container, { restartCount: 0, wasStopped: false, isToldToExit: false, delayMs: undefined })
}

function isAlive({ status }: ModelContainer): boolean {
  return status === 'running' || status === 'paused'
}

/** Also between two tries of a policy. */
function isUp(container: ModelContainer): boolean {
  return isAlive(container) || container.status === 'restarting'
}

function wantsRestart({ policy, exitCode, restartCount, wasStopped }: ModelContainer): boolean {
  const { Name, MaximumRetryCount: limit = 0 } = policy
  if (Name === 'always') return true
  if (Name === 'unless-stopped') return !wasStopped
  return Name === 'on-failure' && exitCode !== 0 && (limit === 0 || restartCount < limit)
}
