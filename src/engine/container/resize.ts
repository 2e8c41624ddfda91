// POST /containers/{id}/resize: the terminal's size.
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { publishContainerEvent } from './publish-event.ts'

export async function resizeContainer(
  engine: Engine,
  container: Container,
  size: { height: number; width: number },
): Promise<void> {
  container.requireAlive()
  await engine.containerd.tasks.resizePty({ containerId: container.id, execId: '', ...size })
  publishContainerEvent(engine, container, 'resize', { height: String(size.height), width: String(size.width) })
}
