// What the engine's end means for containers where it is told not to leave them running.
import { within } from '../../base/clock.ts'
import { messageOf } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import { countsAsRunning } from './container-state.ts'
import { stopContainer } from './stop.ts'

/** Beyond a container's own time to stop: for SIGKILL, and for what comes after it. */
const GRACE_SECONDS = 5

/**
 * Stops every container as `stop` would, all at once, and waits no longer than the shutdown timeout, or the longest of the containers' own. Not
 * counted as a user's stop: restart policies bring them back with the next engine. Never rejects.
 */
export async function stopAllContainers(engine: Engine): Promise<void> {
  const { config, log, clock, phase } = engine
  const running = engine.containers.list().filter((container) => countsAsRunning(container.state))
  if (running.length === 0) return
  phase.isEnding = true
  const own = running.map(({ record }) => record.config.StopTimeout ?? config.defaultStopTimeoutSeconds)
  const isEndless = config.shutdownTimeoutSeconds < 0 || own.some((seconds) => seconds < 0)
  const limitSeconds = Math.max(config.shutdownTimeoutSeconds, ...own.map((seconds) => seconds + GRACE_SECONDS))
  const stopped = Promise.all(
    running.map((container) =>
      stopContainer(engine, container, { signal: undefined, timeoutSeconds: undefined }).catch((error: unknown) =>
        log.error('failed to shut down container', { container: container.id, error: messageOf(error) }),
      ),
    ),
  )
  if (isEndless) await stopped
  else if (!(await within(clock, limitSeconds * 1000, stopped))) log.error('Force shutdown daemon')
}
