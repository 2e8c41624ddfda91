// What happens when a container's first process has ended: the state, the events, the restart or the removal.
import { formatRfc3339Nano } from '../../base/clock.ts'
import { messageOf } from '../../base/failure.ts'
import { nextTurn } from '../../base/next-turn.ts'
import type { Engine } from '../engine.ts'
import { endExecsOf } from '../exec/exec-exit.ts'
import type { Container } from './container.ts'
import { isAlive } from './container-state.ts'
import { openLinks } from './links/open-links.ts'
import { networkKind } from './network-settings.ts'
import { releaseMounts } from './mounts/set-up-mounts.ts'
import { publishContainerEvent, publishNetworkEvent } from './publish-event.ts'
import { netnsPath } from './paths.ts'
import { removeContainer } from './remove.ts'
import { endHealth } from './watch-health.ts'
import { decideRestart } from './restart-policy.ts'
import { restartAfter } from './restart-later.ts'
import { removeSharedMemory } from './shared-memory.ts'
import { deleteContainerdRecord, deleteTask } from './tasks.ts'

export interface TaskExit {
  /** 0: unknown. */
  pid: number
  exitCode: number
  exitedAtNs: bigint
}

/**
 * Idempotent: an exit that was dealt with, or of an earlier run, is ignored. `isOld`: it came while no engine was there; whether the container starts again
 * is then decided with that of all others.
 */
export async function handleExit(engine: Engine, container: Container, exit: TaskExit, isOld = false): Promise<void> {
  const goes = await container.lock.run(async () => {
    const { state } = container
    if (container.isGone || !isAlive(state) || (exit.pid !== 0 && exit.pid !== state.pid)) return false
    await engine.streams.drained(container)
    const delayMs = recordExit(engine, container, exit, isOld)
    const isLast =
      delayMs === undefined && container.record.hostConfig.AutoRemove === true && !container.isBeingRestarted
    engine.logs.end(container)
    publishDeath(engine, container)
    await leaveNetwork(engine, container)
    if (networkKind(container) !== 'bridge') publishNetworkEvent(engine, container, 'disconnect')
    await releaseMounts(engine, container)
    // The record of a container that goes anyway is not worth its while: after a crash containerd tells of the exit again.
    if (!isLast) container.saveState()
    container.cleanup = engine.containers.track(releaseRun(engine, container))
    container.waiters.tellStopped(container.exitStatus())
    if (delayMs !== undefined) restartAfter(engine, container, delayMs)
    return isLast
  })
  if (!goes) return
  await removeContainer(engine, container, { force: true, removeVolumes: true }).catch((error: unknown) =>
    engine.log.error('auto-remove failed', { container: container.id, error: messageOf(error) }),
  )
}

/** Returns the delay before an automatic restart. The caller saves. */
function recordExit(engine: Engine, container: Container, exit: TaskExit, isOld: boolean): number | undefined {
  const { record, state } = container
  endExecsOf(engine, container)
  const exitedAtMs = Number(exit.exitedAtNs / 1_000_000n)
  const delayMs =
    container.isBeingRestarted || isOld
      ? undefined
      : decideRestart(record.hostConfig.RestartPolicy ?? {}, {
          exitCode: exit.exitCode,
          isToldToExit: container.isToldToExit,
          wasStopped: record.wasStopped,
          durationMs: ranForMs(engine, container, exitedAtMs),
          restartCount: record.restartCount,
          lastDelayMs: container.lastRestartDelayMs,
        })
  if (delayMs !== undefined) record.restartCount++
  state.status = delayMs === undefined ? 'exited' : 'restarting'
  state.pid = 0
  endHealth(container)
  state.exitCode = exit.exitCode
  state.finishedAt = formatRfc3339Nano(exitedAtMs, Number(exit.exitedAtNs % 1_000_000n))
  container.isToldToExit = false
  return delayMs
}

/** Somebody may have set the machine's time meanwhile. Of a run that a former engine began the times are all there is. */
function ranForMs({ clock }: Engine, { startedMonotonicMs, state }: Container, exitedAtMs: number): number {
  if (startedMonotonicMs === undefined) return exitedAtMs - Date.parse(state.startedAt)
  return clock.monotonic() - startedMonotonicMs
}

function publishDeath(engine: Engine, container: Container): void {
  const { state } = container
  const seconds = Math.max(0, Math.floor((Date.parse(state.finishedAt) - Date.parse(state.startedAt)) / 1000))
  publishContainerEvent(engine, container, 'die', {
    exitCode: String(state.exitCode),
    execDuration: String(seconds),
  })
}

/** Before anyone is told of the end, so that the next container can have the address and the ports. The caller saves. */
export async function leaveNetwork(engine: Engine, container: Container): Promise<void> {
  const { endpoint } = container.record
  if (endpoint === undefined) return
  container.record.endpoint = undefined
  await engine.network
    .detach(endpoint.key)
    .catch((error: unknown) =>
      engine.log.error('leaving the network failed', { container: container.id, error: messageOf(error) }),
    )
  openLinks(engine)
  publishNetworkEvent(engine, container, 'disconnect')
}

/** What the run still has in containerd and the kernel. Nobody waits for it but the next start; never rejects. */
async function releaseRun(engine: Engine, container: Container): Promise<void> {
  await nextTurn() // those who wait for the end come first
  const steps = [
    () => deleteTask(engine, container.id),
    () => deleteContainerdRecord(engine, container.id),
    () => engine.netns.remove(netnsPath(engine, container.id)),
    () => engine.streams.close(container.id),
    () => removeSharedMemory(engine, container.id),
  ]
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      engine.log.warn('cleaning up after a container failed', { container: container.id, error: messageOf(error) })
    }
  }
}
