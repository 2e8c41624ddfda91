// containerd's task events drive the containers' states: one subscription, made again when containerd comes back.
import { messageOf } from '../../base/failure.ts'
import type { ContainerdEvent } from '../../containerd/client/watch-events.ts'
import { watchTaskEvents } from '../../containerd/client/watch-events.ts'
import type { Engine } from '../engine.ts'
import { handleExecExit } from '../exec/exec-exit.ts'
import { handleExit } from './exit.ts'
import { publishContainerEvent } from './publish-event.ts'

/**
 * Runs until the signal aborts. `onSubscribed` is called at every beginning: what happened before it is not told and must be asked for. It is
 * awaited, and events that come meanwhile are handled after it.
 */
export async function watchTasks(
  engine: Engine,
  signal: AbortSignal,
  onSubscribed: () => Promise<void>,
): Promise<void> {
  for await (const event of watchTaskEvents(engine.containerd, signal, { clock: engine.clock, topics: HANDLED })) {
    if (event.topic === 'subscribed') await onSubscribed()
    else handleTaskEvent(engine, event)
  }
}

/** Everything else is the engine's own doing. */
const HANDLED = ['/tasks/exit', '/tasks/oom'] as const

/** Does not wait for what the event sets off: one container must not hold up the news of another. */
function handleTaskEvent(
  engine: Engine,
  { topic, event, timeNs }: Exclude<ContainerdEvent, { topic: 'subscribed' }>,
): void {
  const container = engine.containers.get(event.containerId)
  if (container === undefined) return
  switch (topic) {
    case '/tasks/exit': {
      if (event.id !== container.id && event.id !== '') {
        handleExecExit(engine, container, { execId: event.id, pid: event.pid, exitCode: event.exitStatus })
        return
      }
      const exitedAtNs = event.exitedAt
        ? event.exitedAt.seconds * 1_000_000_000n + BigInt(event.exitedAt.nanos)
        : timeNs
      handleExit(engine, container, { pid: event.pid, exitCode: event.exitStatus, exitedAtNs }).catch(
        (error: unknown) =>
          engine.log.error('handling an exit failed', { container: container.id, error: messageOf(error) }),
      )
      return
    }
    case '/tasks/oom':
      container.state.oomKilled = true
      container.saveState()
      publishContainerEvent(engine, container, 'oom')
      return
    default:
      return
  }
}
