// POST /containers/{id}/pause and /unpause: the freezer.
import { within } from '../../base/clock.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { isRestarting, notRunning } from './container.ts'
import { publishContainerEvent } from './publish-event.ts'
import { endHealth, watchHealth } from './watch-health.ts'

const EXEC_START_LIMIT_MS = 10_000

export async function pauseContainer(engine: Engine, container: Container): Promise<void> {
  await container.lock.run(async () => {
    switch (container.state.status) {
      case 'running':
        break
      case 'paused':
        throw new Failure('conflict', `container ${container.id} is already paused`)
      case 'restarting':
        throw isRestarting(container)
      default:
        throw notRunning(container)
    }
    container.isPausing = true
    try {
      await execsToStart(engine, container)
      await call(`cannot pause container ${container.id}`, engine.containerd.tasks.pause({ containerId: container.id }))
      container.state.status = 'paused'
      endHealth(container)
    } finally {
      container.isPausing = false
    }
    container.saveState()
    publishContainerEvent(engine, container, 'pause')
  })
}

/** One that is frozen in the middle of its birth holds up who makes it: containerd's own shim then answers nobody, not even who would thaw it. */
async function execsToStart(engine: Engine, container: Container): Promise<void> {
  const execs = [...container.execIds].flatMap((id) => engine.containers.execs.get(id) ?? [])
  const starting = execs.filter(({ state }) => state.kind === 'starting').map(({ started }) => started)
  if (starting.length > 0) await within(engine.clock, EXEC_START_LIMIT_MS, Promise.all(starting))
}

export async function unpauseContainer(engine: Engine, container: Container): Promise<void> {
  await container.lock.run(async () => {
    if (container.state.status !== 'paused') throw new Failure('unknown', `Container ${container.id} is not paused`)
    await call(
      `Cannot unpause container ${container.id}`,
      engine.containerd.tasks.resume({ containerId: container.id }),
    )
    container.state.status = 'running'
    watchHealth(engine, container, { isNewRun: false })
    container.saveState()
    publishContainerEvent(engine, container, 'unpause')
  })
}

async function call(subject: string, work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    throw new Failure('unknown', `${subject}: ${messageOf(error)}`, { cause: error })
  }
}
