// GET /containers/{id}/export: the container's root file system, without what is mounted in it.
import { Failure } from '../../base/failure.ts'
import type { Container } from '../container/container.ts'
import { publishContainerEvent } from '../container/publish-event.ts'
import type { Engine } from '../engine.ts'
import { viewContainerRoot } from './view-container.ts'

/** `use` gets the archive; what fails before its first byte is still to be told to the client. */
export async function exportContainer(
  engine: Engine,
  container: Container,
  signal: AbortSignal,
  use: (content: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  if (container.state.status === 'dead')
    throw new Failure('conflict', `You cannot export container ${container.id} which is Dead`)
  if (container.isRemoving)
    throw new Failure('conflict', `You cannot export container ${container.id} which is being removed`)
  await using view = await viewContainerRoot(engine, container, signal)
  await use(view.export())
  publishContainerEvent(engine, container, 'export')
}
