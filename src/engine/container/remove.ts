// DELETE /containers/{id}: the container, its writable layer, its log, and with `v` its anonymous volumes.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { nextTurn } from '../../base/next-turn.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { RECORD_FILE } from './container.ts'
import { countsAsRunning, isAlive } from './container-state.ts'
import { leaveNetwork } from './exit.ts'
import { forgetExecsOf } from '../exec/exec-exit.ts'
import { killAndWait } from './kill.ts'
import { removeImageMounts } from './mounts/image-mounts.ts'
import { unclaimVolumes } from './mounts/make-volumes.ts'
import { removeVolume } from '../volume/remove.ts'
import { publishContainerEvent } from './publish-event.ts'
import { cancelRestart } from './restart-later.ts'
import { removeSnapshot } from './tasks.ts'

export interface RemoveOptions {
  force: boolean
  removeVolumes: boolean
}

/**
 * Resolves when the container is gone for every client; what it had in containerd goes in the background, and after a
 * crash with the sweep at the engine's start, because no record names it any more.
 */
export async function removeContainer(engine: Engine, container: Container, options: RemoveOptions): Promise<void> {
  if (container.isRemoving) throw removalInProgress(container)
  container.isRemoving = true
  try {
    await bringDown(engine, container, options)
    await container.lock.run(() => forget(engine, container, options))
  } finally {
    container.isRemoving = container.isGone
  }
}

async function bringDown(engine: Engine, container: Container, options: RemoveOptions): Promise<void> {
  if (!countsAsRunning(container.state)) return
  if (!options.force) throw stillRunning(container)
  await killAndWait(engine, container).catch((error: unknown) => {
    throw new Failure(
      'unknown',
      `cannot remove container "${container.name}": could not kill container: ${messageOf(error)}`,
      { cause: error },
    )
  })
}

/** The record goes first among the files: without it a crash leaves only what the sweep finds. */
async function forget(engine: Engine, container: Container, options: RemoveOptions): Promise<void> {
  if (container.isGone) return
  if (isAlive(container.state)) throw stillRunning(container) // someone was quicker to start it than we to remove it
  cancelRestart(container)
  container.state.status = 'removing'
  await leaveNetwork(engine, container)
  for (const client of container.waitingClients) client.cancel()
  container.waitingClients.clear()
  const volumes = options.removeVolumes ? unclaimVolumes(engine, container) : []
  rmSync(join(container.directory, RECORD_FILE), { force: true })
  container.isGone = true
  engine.containers.delete(container)
  forgetExecsOf(engine, container)
  await removeVolumes(engine, volumes)
  publishContainerEvent(engine, container, 'destroy')
  container.state.error = '' // who waits for the end of a container hears nothing of how it began
  container.waiters.tellRemoved(container.exitStatus())
  engine.containers.track(releaseStorage(engine, container))
}

/** They are nobody's by now; one that somebody else has taken meanwhile stays. */
async function removeVolumes(engine: Engine, names: readonly string[]): Promise<void> {
  for (const name of names)
    await removeVolume(engine, name, { isForced: false }).catch((error: unknown) => {
      if (isFailure(error, 'conflict')) return engine.volumes.claim([name])
      if (isFailure(error, 'not-found')) return
      engine.log.error('removing a volume failed', { volume: name, error: messageOf(error) })
    })
}

async function releaseStorage(engine: Engine, container: Container): Promise<void> {
  await nextTurn() // the client's answer comes first
  try {
    await engine.logs.release(container)
    rmSync(container.directory, { recursive: true, force: true })
    await container.cleanup
    await removeSnapshot(engine, container.id)
    await removeImageMounts(engine, container)
  } catch (error) {
    engine.log.error('removing what a container has left failed', {
      container: container.id,
      error: messageOf(error),
    })
  }
}

function stillRunning(container: Container): Failure {
  const cause =
    container.state.status === 'paused'
      ? 'container is paused and must be unpaused first'
      : `container is ${container.state.status}: stop the container before removing or force remove`
  return new Failure('conflict', `cannot remove container "${container.name}": ${cause}`)
}

function removalInProgress(container: Container): Failure {
  return new Failure('conflict', `removal of container ${container.name} is already in progress`)
}
