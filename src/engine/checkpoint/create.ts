// POST /containers/{id}/checkpoints: the processes of a running container into files, by criu.
import { create } from '@bufbuild/protobuf'
import { lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeDurableDirectory, syncDirectory, syncTree } from '../../base/atomic-file.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import { packMessage } from '../../containerd/client/any.ts'
import { CheckpointOptionsSchema } from '../../gen/runc/options_pb.ts'
import type { Container } from '../container/container.ts'
import { notRunning } from '../container/container.ts'
import { isAlive } from '../container/container-state.ts'
import { publishContainerEvent } from '../container/publish-event.ts'
import type { Engine } from '../engine.ts'
import { mapOf } from '../userns/map-of-container.ts'
import { checkpointsDirectory, notWithUsers, requireCheckpointId, UNFINISHED } from './checkpoint-directory.ts'

export interface CheckpointRequest {
  id: string
  /** '' is the container's own. */
  directory: string
  /** The processes end once they are saved. */
  exit: boolean
}

/** Drafts that are being written: whatever else has such a name a crash has left. */
const underWay = new Set<string>()

/**
 * Resolves when everything is on disk. A checkpoint has its name only once it is whole: a crash leaves a draft, which the next checkpoint of that
 * name replaces, and which goes with the container.
 */
export async function createCheckpoint(
  engine: Engine,
  container: Container,
  name: string,
  request: CheckpointRequest,
): Promise<void> {
  if (!isAlive(container.state)) throw notRunning(container)
  if (mapOf(engine, container) !== undefined) throw notWithUsers()
  requireCheckpointId(request.id)
  const path = join(checkpointsDirectory(container, request.directory), request.id)
  const draft = `${path}${UNFINISHED}`
  const taken = `checkpoint with name ${request.id} already exists for container ${name}`
  try {
    if (underWay.has(draft)) throw new Error(taken)
    makeDraft(path, draft, taken)
  } catch (error) {
    throw new Failure('unknown', `cannot checkpoint container ${name}: ${messageOf(error)}`, { cause: error })
  }
  underWay.add(draft)
  try {
    await takeCheckpoint(engine, container, draft, request.exit)
    await syncTree(draft) // a name that survives power loss must not stand for files that do not
    renameSync(draft, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    throw new Failure('unknown', `Cannot checkpoint container ${name}: ${messageOf(error)}`, { cause: error })
  } finally {
    underWay.delete(draft)
  }
  publishContainerEvent(engine, container, 'checkpoint')
}

function makeDraft(path: string, draft: string, taken: string): void {
  const occupied = lstatSync(path, { throwIfNoEntry: false })
  if (occupied !== undefined) throw new Error(occupied.isDirectory() ? taken : `${path} exists and is not a directory`)
  makeDurableDirectory(dirname(path))
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { mode: 0o700 })
}

/** As dockerd asks: connections, outside sockets and locks are saved as well, and the network namespace is made anew by whoever restores. */
async function takeCheckpoint(engine: Engine, container: Container, path: string, exit: boolean): Promise<void> {
  const options = create(CheckpointOptionsSchema, {
    exit,
    openTcp: true,
    externalUnixSockets: true,
    fileLocks: true,
    emptyNamespaces: ['network'],
    terminal: container.hasTerminal,
    imagePath: path,
  })
  await engine.containerd.tasks.checkpoint({
    containerId: container.id,
    options: packMessage(CheckpointOptionsSchema, options),
  })
}
