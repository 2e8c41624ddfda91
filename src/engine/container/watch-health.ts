// HEALTHCHECK: runs a container's check again and again while it is up, as an exec whose output is kept.
import { Duplex } from 'node:stream'
import { within } from '../../base/clock.ts'
import { messageOf } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import { actFor } from '../events/origin.ts'
import { createExec } from '../exec/create.ts'
import { startAttached } from '../exec/start.ts'
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

/** From a start, or for a container that an earlier engine has started; an earlier watch ends. Nothing happens where there is no check. */
export function watchHealth(engine: Engine, container: Container, options: { isNewRun: boolean }): void {
  stopWatchingHealth(container)
  const plan = planHealth(container.record.config)
  if (plan === undefined) return
  if (options.isNewRun || container.state.health === undefined) container.state.health = startingHealth()
  const stop = new AbortController()
  container.healthWatch = stop
  const signal = AbortSignal.any([stop.signal, engine.containers.closing])
  // Whoever has started the container did not ask for each of its checks.
  void actFor(undefined, () => probeAgainAndAgain(engine, container, plan, signal)).catch((error: unknown) =>
    engine.log.error('health checks ended', { container: container.id, error: messageOf(error) }),
  )
}

/** The container has ended: it is not healthy any more. The caller saves. */
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
  signal: AbortSignal,
): Promise<void> {
  const startedAtMs = Date.parse(container.state.startedAt)
  for (;;) {
    const before = container.state.health ?? startingHealth()
    await engine.clock.sleep(pauseBeforeProbe(plan, before, engine.clock.now() - startedAtMs), signal)
    if (signal.aborted || !isAlive(container.state)) return
    if (container.state.status === 'paused' || container.isPausing) continue
    const result = await probe(engine, container, plan)
    engine.metrics.checked({ isFailed: result.ExitCode !== 0 })
    if (signal.aborted || !isAlive(container.state)) return
    const health = judgeProbe(plan, before, result, startedAtMs)
    container.state.health = health
    if (health.Status === before.Status) continue
    container.save()
    publishContainerEvent(engine, container, `health_status: ${health.Status}`)
  }
}

async function probe(engine: Engine, container: Container, plan: HealthPlan): Promise<ProbeResult> {
  const Start = new Date(engine.clock.now()).toISOString()
  const done = (ExitCode: number, Output: string): ProbeResult => ({
    Start,
    End: new Date(engine.clock.now()).toISOString(),
    ExitCode,
    Output,
  })
  try {
    const exec = createExec(engine, container, container.id, {
      command: plan.command,
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
    })
    const output = new ProbeOutput()
    const startedMs = performance.now()
    const run = startAttached(engine, exec, { terminal: false, consoleSize: undefined }, output).then(() => {
      engine.metrics.checkStarted((performance.now() - startedMs) / 1000)
      return exec.exited
    })
    if (!(await within(engine.clock, plan.timeoutMs, run))) {
      await engine.containerd.tasks
        .kill({ containerId: container.id, execId: exec.id, signal: SIGKILL, all: false })
        .catch(() => {}) // it has ended this moment, or was never there
      await within(engine.clock, KILL_LIMIT_MS, exec.exited)
      const reason = `Health check exceeded timeout (${formatGoDuration(plan.timeoutMs)})`
      return done(-1, output.text() === '' ? reason : `${reason}: ${output.text()}`)
    }
    const exitCode = exec.state.kind === 'exited' ? exec.state.exitCode : -1
    engine.containers.execs.delete(exec.id) // checks are many, and nobody knows their ids
    return done(exitCode, output.text())
  } catch (error) {
    return done(-1, messageOf(error))
  }
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
