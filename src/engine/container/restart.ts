// POST /containers/{id}/restart: stop, if it runs, and start.
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { countsAsRunning } from './container-state.ts'
import { publishContainerEvent } from './publish-event.ts'
import { startContainer } from './start.ts'
import type { StopOptions } from './stop.ts'
import { stopContainer } from './stop.ts'

export async function restartContainer(engine: Engine, container: Container, options: StopOptions): Promise<void> {
  container.isBeingRestarted = true
  try {
    if (countsAsRunning(container.state)) await stopIfRunning(engine, container, options)
    await startContainer(engine, container, { isAutomatic: false })
  } catch (error) {
    if (isFailure(error, 'not-modified')) return // somebody else has started it
    const code = isFailure(error, 'invalid-argument') ? 'invalid-argument' : 'unknown'
    throw new Failure(code, `Cannot restart container ${container.name}: ${messageOf(error)}`, { cause: error })
  } finally {
    container.isBeingRestarted = false
  }
  publishContainerEvent(engine, container, 'restart')
}

async function stopIfRunning(engine: Engine, container: Container, options: StopOptions): Promise<void> {
  try {
    await stopContainer(engine, container, options)
  } catch (error) {
    if (!isFailure(error, 'not-modified')) throw error
  }
}
