// The automatic restart: after a delay, unless someone stops, starts or removes the container first.
import { messageOf } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { removeContainer } from './remove.ts'
import { startContainer } from './start.ts'

/** The container is `restarting`; its lock is held by the caller. */
export function restartAfter(engine: Engine, container: Container, delayMs: number): void {
  const stop = new AbortController()
  container.lastRestartDelayMs = delayMs
  container.pendingRestart = { cancel: () => stop.abort() }
  void engine.clock.sleep(delayMs, stop.signal).then(async () => {
    if (stop.signal.aborted) return
    container.pendingRestart = undefined
    try {
      await startContainer(engine, container, { isAutomatic: true })
    } catch (error) {
      engine.log.error('automatic restart failed', { container: container.id, error: messageOf(error) })
      await settleFailedRestart(engine, container)
    }
  })
}

/** Calls a restart off and leaves the container exited; the lock is held by the caller. True if there was one to call off. */
export function cancelRestart(container: Container): boolean {
  const pending = container.pendingRestart
  container.pendingRestart = undefined
  pending?.cancel()
  if (container.state.status !== 'restarting') return false
  container.state.status = 'exited'
  container.saveState()
  return true
}

async function settleFailedRestart(engine: Engine, container: Container): Promise<void> {
  await container.lock.run(() => cancelRestart(container))
  if (container.record.hostConfig.AutoRemove === true && !container.isGone)
    await removeContainer(engine, container, { force: true, removeVolumes: true }).catch((error: unknown) =>
      engine.log.error('auto-remove failed', { container: container.id, error: messageOf(error) }),
    )
}
