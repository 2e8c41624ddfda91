// POST /containers/{id}/stop: asks, waits, and then kills. Goes on when the client goes away, as Docker does.
import { constants } from 'node:os'
import { within } from '../../base/clock.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { countsAsRunning } from './container-state.ts'
import { killAndWait, sendSignal } from './kill.ts'
import { publishContainerEvent } from './publish-event.ts'
import { parseSignal } from './signals.ts'

/** When the signal could not even be sent. */
const FAILED_SIGNAL_GRACE_MS = 2000

export interface StopOptions {
  /** Undefined: the container's own, or SIGTERM. */
  signal: string | undefined
  /** Undefined: the container's own, or the engine's; negative: for ever. */
  timeoutSeconds: number | undefined
}

/** Throws not-modified when it is down already. */
export async function stopContainer(engine: Engine, container: Container, options: StopOptions): Promise<void> {
  if (!countsAsRunning(container.state)) throw new Failure('not-modified', 'container is already stopped')
  const { config } = container.record
  const signal = chooseSignal(options.signal, config.StopSignal)
  const timeoutSeconds = options.timeoutSeconds ?? config.StopTimeout ?? engine.config.defaultStopTimeoutSeconds

  const giveUp = new AbortController()
  const stopped = container.waiters.nextStop(giveUp.signal)
  try {
    let graceMs = timeoutSeconds * 1000
    try {
      await sendSignal(engine, container, signal)
    } catch (error) {
      engine.log.warn('cannot signal container', { container: container.id, error: messageOf(error) })
      graceMs = FAILED_SIGNAL_GRACE_MS
    }
    if (countsAsRunning(container.state)) {
      if (graceMs < 0) await stopped
      else if (!(await within(engine.clock, graceMs, stopped)) && countsAsRunning(container.state))
        await killAndWait(engine, container)
    }
  } finally {
    giveUp.abort()
  }
  publishContainerEvent(engine, container, 'stop')
}

/** A bad signal in the request is the client's fault; one in the image's configuration is passed over. */
function chooseSignal(requested: string | undefined, configured: string | undefined): number {
  if (requested) return parseSignal(requested)
  try {
    if (configured) return parseSignal(configured)
  } catch {
    // Docker, too, stops such a container with SIGTERM.
  }
  return constants.signals.SIGTERM
}
