// POST /containers/{id}/pause and /unpause: the freezer.
import { Failure, messageOf } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { isRestarting, notRunning } from './container.ts'
import { publishContainerEvent } from './publish-event.ts'

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
    await call(`cannot pause container ${container.id}`, engine.containerd.tasks.pause({ containerId: container.id }))
    container.state.status = 'paused'
    container.saveState()
    publishContainerEvent(engine, container, 'pause')
  })
}

export async function unpauseContainer(engine: Engine, container: Container): Promise<void> {
  await container.lock.run(async () => {
    if (container.state.status !== 'paused') throw new Failure('conflict', `Container ${container.id} is not paused`)
    await call(
      `Cannot unpause container ${container.id}`,
      engine.containerd.tasks.resume({ containerId: container.id }),
    )
    container.state.status = 'running'
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
