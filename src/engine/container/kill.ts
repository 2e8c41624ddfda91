// POST /containers/{id}/kill, and what stop, restart and remove use to signal a container.
import { constants } from 'node:os'
import { within } from '../../base/clock.ts'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { notRunning } from './container.ts'
import { countsAsRunning } from './container-state.ts'
import { publishContainerEvent } from './publish-event.ts'
import { cancelRestart } from './restart-later.ts'
import { parseSignal } from './signals.ts'
import { watchHealth } from './watch-health.ts'

const { SIGKILL } = constants.signals
const KILL_LIMIT_MS = 10_000

/** SIGKILL, which is the default, is waited for; any other signal is only sent. Every failure names the container as the client did. */
export async function killByName(engine: Engine, name: string, signalText: string): Promise<void> {
  try {
    await killContainer(engine, name, signalText === '' ? SIGKILL : parseSignal(signalText))
  } catch (error) {
    if (!isFailure(error)) throw error
    throw new Failure(error.code, `cannot kill container: ${name}: ${error.message}`, { cause: error })
  }
}

async function killContainer(engine: Engine, name: string, signal: number): Promise<void> {
  const container = engine.containers.require(name)
  if (!countsAsRunning(container.state)) throw notRunning(container)
  if (signal === SIGKILL) await killAndWait(engine, container)
  else await sendSignal(engine, container, signal)
}

/** Resolves once the container is down. Throws when it will not die. */
export async function killAndWait(engine: Engine, container: Container): Promise<void> {
  const giveUp = new AbortController()
  const stopped = container.waiters.nextStop(giveUp.signal)
  try {
    await sendSignal(engine, container, SIGKILL)
    if (!countsAsRunning(container.state)) return
    if (await within(engine.clock, KILL_LIMIT_MS, stopped)) return
    throw new Failure('unknown', 'tried to kill container, but did not receive an exit event')
  } finally {
    giveUp.abort()
  }
}

/** Signals the first process and tells the restart policy what that means. A process that has just ended is no error. */
export async function sendSignal(engine: Engine, container: Container, signal: number): Promise<void> {
  await container.lock.run(async () => {
    const { record, state } = container
    if (!countsAsRunning(state)) return
    const isStop = meansStop(container, signal)
    if (isStop) container.isToldToExit = true
    if (!engine.phase.isEnding) record.wasStopped = true
    container.saveState()
    if (isStop && cancelRestart(container)) return container.waiters.tellStopped(container.exitStatus())
    if (state.status === 'restarting') return
    await deliver(engine, container, signal)
    // A frozen process gets its signal when it thaws.
    if (isStop && state.status === 'paused') await thaw(engine, container)
    publishContainerEvent(engine, container, 'kill', { signal: String(signal) })
  })
}

function meansStop(container: Container, signal: number): boolean {
  const configured = container.record.config.StopSignal
  return !configured || signal === SIGKILL || signal === parseSignal(configured)
}

async function deliver(engine: Engine, container: Container, signal: number): Promise<void> {
  try {
    await engine.containerd.tasks.kill({ containerId: container.id, execId: '', signal, all: false })
  } catch (error) {
    if (isFailure(error, 'not-found')) return // its exit event is on the way
    throw new Failure('unknown', `Cannot kill container ${container.id}: ${messageOf(error)}`, { cause: error })
  }
}

async function thaw(engine: Engine, container: Container): Promise<void> {
  try {
    await engine.containerd.tasks.resume({ containerId: container.id })
    container.state.status = 'running'
    watchHealth(engine, container, { isNewRun: false })
    container.saveState()
  } catch (error) {
    engine.log.warn('cannot unpause container', { container: container.id, error: messageOf(error) })
  }
}
