// HEALTHCHECK: runs a container's check again and again while it is up, as an exec whose output is kept.
import { Duplex } from 'node:stream'
import { within } from '../../base/clock.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import { actFor } from '../events/origin.ts'
import { createExec } from '../exec/create.ts'
import type { Exec, ExecConfig } from '../exec/exec-store.ts'
import { runAttached } from '../exec/start.ts'
import type { Container } from './container.ts'
import { isAlive } from './container-state.ts'
import {
  formatGoDuration,
  type HealthPlan,
  judgeProbe,
  pauseBeforeProbe,
  planHealth,
  type ProbeResult,
  startingHealth,
} from './health-result.ts'
import { publishContainerEvent } from './publish-event.ts'

const OUTPUT_BYTES_MAX = 4096
const FRAME_HEADER = 8
const SIGKILL = 9
/** How long a killed check may take to be gone. */
const KILL_LIMIT_MS = 2000
const START_LIMIT_MS = 30_000
const CHECK: Omit<ExecConfig, 'command'> = {
  env: [],
  user: '',
  workingDir: '',
  privileged: false,
  terminal: false,
  attachStdin: false,
  attachStdout: true,
  attachStderr: true,
  detachKeys: [],
  detachKeysText: '',
  consoleSize: undefined,
}

/** From a start, or for a container that an earlier engine has started; an earlier watch ends. Nothing happens where there is no check. */
export function watchHealth(engine: Engine, container: Container, options: { isNewRun: boolean }): void {
  stopWatchingHealth(container)
  const plan = planHealth(container.record.config)
  if (plan === undefined) return
  // What former runs have shown stays in the log.
  if (options.isNewRun || container.state.health === undefined)
    container.state.health = { ...startingHealth(), Log: container.state.health?.Log ?? [] }
  const stop = new AbortController()
  container.healthWatch = stop
  // Whoever has started the container did not ask for each of its checks.
  void actFor(undefined, () => probeAgainAndAgain(engine, container, plan, stop.signal)).catch((error: unknown) =>
    engine.log.error('health checks ended', { container: container.id, error: messageOf(error) }),
  )
}

/** The container has ended or is frozen: nobody looks after it, so to Docker it is not healthy any more. The caller saves. */
export function endHealth(container: Container): void {
  stopWatchingHealth(container)
  if (container.state.health !== undefined) container.state.health = { ...container.state.health, Status: 'unhealthy' }
}

function stopWatchingHealth(container: Container): void {
  container.healthWatch?.abort()
  container.healthWatch = undefined
}

async function probeAgainAndAgain(
  engine: Engine,
  container: Container,
  plan: HealthPlan,
  stop: AbortSignal,
): Promise<void> {
  const signal = AbortSignal.any([stop, engine.containers.closing])
  const { clock } = engine
  // How long it runs by now; whoever sets the machine's time changes nothing of that.
  container.startedMonotonicMs ??= clock.monotonic() - Math.max(0, clock.now() - Date.parse(container.state.startedAt))
  const startedMs = container.startedMonotonicMs
  for (;;) {
    const before = container.state.health ?? startingHealth()
    await clock.sleep(pauseBeforeProbe(plan, before, clock.monotonic() - startedMs), signal)
    if (signal.aborted || !isAlive(container.state)) return
    if (container.state.status === 'paused' || container.isPausing) continue
    const upMs = clock.monotonic() - startedMs
    const result = await probe(engine, container, plan, stop)
    if (signal.aborted || !isAlive(container.state)) return
    const health = judgeProbe(plan, before, result, upMs)
    container.state.health = health
    if (health.Status === before.Status) continue
    container.saveState()
    publishContainerEvent(engine, container, `health_status: ${health.Status}`)
  }
}

/** Never rejects: a check that can't be run has failed. */
async function probe(engine: Engine, container: Container, plan: HealthPlan, stop: AbortSignal): Promise<ProbeResult> {
  const now = () => new Date(engine.clock.now()).toISOString()
  const Start = now()
  try {
    const { ExitCode, Output } = await runProbe(engine, container, plan, stop)
    engine.metrics.checked({ isFailed: false })
    return { Start, End: now(), ExitCode, Output }
  } catch (error) {
    engine.metrics.checked({ isFailed: true })
    engine.log.warn('a health check could not be run', { container: container.id, error: messageOf(error) })
    return { Start, End: now(), ExitCode: -1, Output: messageOf(error) }
  }
}

/** Of the process only: the time until it runs is not the check's. Throws what keeps it from running. */
async function runProbe(
  engine: Engine,
  container: Container,
  plan: HealthPlan,
  stop: AbortSignal,
): Promise<Pick<ProbeResult, 'ExitCode' | 'Output'>> {
  const startedMs = performance.now()
  const exec = await createExec(engine, container, container.id, { ...CHECK, command: plan.command })
  const kill = () => void killProbe(engine, exec)
  stop.addEventListener('abort', kill, { once: true })
  try {
    const output = new ProbeOutput()
    const run = runAttached(engine, exec, { terminal: false, consoleSize: undefined }, output).then(() => exec.exited)
    run.catch(() => {}) // awaited below
    if (!(await within(engine.clock, START_LIMIT_MS, Promise.race([exec.started, run]))))
      throw new Failure('deadline-exceeded', `timed out starting health check for container ${container.id}`)
    engine.metrics.checkStarted((performance.now() - startedMs) / 1000)
    if (!(await within(engine.clock, plan.timeoutMs, run))) {
      await killProbe(engine, exec)
      await within(engine.clock, KILL_LIMIT_MS, exec.exited)
      const reason = `Health check exceeded timeout (${formatGoDuration(plan.timeoutMs)})`
      return { ExitCode: -1, Output: output.text() === '' ? reason : `${reason}: ${output.text()}` }
    }
    return { ExitCode: exec.state.kind === 'exited' ? exec.state.exitCode : -1, Output: output.text() }
  } finally {
    stop.removeEventListener('abort', kill)
    // Checks are many, and nobody asks for them by their ids. One that won't go is kept: its end will be told.
    if (exec.state.kind === 'exited') engine.containers.execs.delete(exec.id)
  }
}

async function killProbe(engine: Engine, exec: Exec): Promise<void> {
  await engine.containerd.tasks
    .kill({ containerId: exec.container.id, execId: exec.id, signal: SIGKILL, all: false })
    .catch(() => {}) // it has ended this moment, or was never there
}

/** Takes the frames of both streams, and keeps the beginning of what is in them. */
class ProbeOutput extends Duplex {
  #kept = Buffer.alloc(0)
  #rest = Buffer.alloc(0)
  #isCut = false

  text(): string {
    return `${this.#kept.toString()}${this.#isCut ? '...' : ''}`
  }

  override _read(): void {
    // A check is told nothing.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= FRAME_HEADER) {
      const end = FRAME_HEADER + this.#rest.readUInt32BE(4)
      if (this.#rest.length < end) break
      this.#keep(this.#rest.subarray(FRAME_HEADER, end))
      this.#rest = this.#rest.subarray(end)
    }
    done()
  }

  #keep(bytes: Buffer): void {
    const room = OUTPUT_BYTES_MAX - this.#kept.length
    if (bytes.length > room) this.#isCut = true
    this.#kept = Buffer.concat([this.#kept, bytes.subarray(0, room)])
  }
}
