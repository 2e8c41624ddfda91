// Where a container's checkpoints are: a directory each, below the container's own or one that the client names.
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { Container } from '../container/container.ts'

const ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/
const ID_LENGTH_MAX = 200
/** After the name of a checkpoint that is being taken. A checkpoint's own name has no space. */
export const UNFINISHED = ' unfinished'

/** Throws `invalid-argument`: an id is the name of a directory, and must not lead out of its parent. */
export function requireCheckpointId(id: string): void {
  if (id.length > ID_LENGTH_MAX || !ID.test(id))
    throw new Failure('invalid-argument', `Invalid checkpoint ID (${id}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`)
}

/** @param given the client's `dir`; '' is the container's own. */
export function checkpointsDirectory(container: Container, given: string): string {
  return given === '' ? join(container.directory, 'checkpoints') : given
}

/** Throws `unknown` where there is none, or what bears the name is no directory. */
export function requireCheckpoint(container: Container, name: string, given: string, id: string): string {
  requireCheckpointId(id)
  const path = join(checkpointsDirectory(container, given), id)
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined)
    throw new Failure('unknown', `checkpoint ${id} does not exist for container ${name.replace(/^\//, '')}`)
  if (!found.isDirectory()) throw new Failure('unknown', `${path} exists and is not a directory`)
  return path
}

/** Processes would come back into namespaces that are others. */
export function notWithUsers(): Failure {
  return new Failure('invalid-argument', 'checkpoints are not supported for containers in a user namespace')
}
