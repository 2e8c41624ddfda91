// The working directory of a container that is being created: where its image has none, the container's own layer gets one, root's, as in Docker.
import { Failure, isFailure } from '../../base/failure.ts'
import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT } from '../../linux/constants.ts'
import type { Fd, Kernel } from '../../linux/kernel.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import type { Engine } from '../engine.ts'
import { mappedRoot, type Owner } from '../userns/id-map.ts'
import { mapOf } from '../userns/map-of-container.ts'
import { followLinks } from '../files/stat-path.ts'
import type { Container, SnapshotMount } from './container.ts'
import { openWritable } from './init-layer.ts'
import { makeDirectoriesBelow } from './make-directories.ts'
import { layersOf, openLayers } from './read-user-files.ts'

const KNOWN_MAX = 256
/** Directories that images have, with the images' chain ids: layers never change. */
const known = new WeakMap<Engine, Set<string>>()

/** Throws `unknown` in Docker's words where something else is in the way. Nothing else has this layer yet. */
export function makeWorkingDirectory(engine: Engine, container: Container, mounts: readonly SnapshotMount[]): void {
  const { config, image } = container.record
  const directory = config.WorkingDir || '/'
  if (directory === '/') return
  const seen = known.get(engine) ?? new Set()
  known.set(engine, seen)
  const key = `${image.chainId} ${directory}`
  if (seen.has(key)) return
  if (isInImage(engine.kernel, mounts, directory)) {
    if (seen.size >= KNOWN_MAX) seen.clear()
    seen.add(key)
    return
  }
  const map = mapOf(engine, container)
  const root = openWritable(engine.kernel, mounts, map)
  try {
    makeDirectories(engine.kernel, root, directory, map && mappedRoot(map))
  } finally {
    engine.kernel.close(root)
  }
}

function isInImage(kernel: Kernel, mounts: readonly SnapshotMount[], directory: string): boolean {
  const layers = layersOf(mounts, false)
  if (layers.length === 0) return false
  const root = openLayers(kernel, layers)
  try {
    const flags = O_PATH | O_DIRECTORY
    kernel.close(kernel.openat2(root, directory, { flags, resolve: RESOLVE_IN_ROOT }))
    return true
  } catch (error) {
    if (isFailure(error, 'not-found') || hasErrno(error, 'ENOTDIR', 'ELOOP')) return false
    throw error
  } finally {
    kernel.close(root)
  }
}

/** Links lead to where they point inside of the root, also if nothing is there yet. */
function makeDirectories(kernel: Kernel, root: Fd, directory: string, owner: Owner | undefined): void {
  const path = followLinks(directory, (each) => linkAt(kernel, root, each))
  const parts = path.split('/').filter((part) => part !== '')
  try {
    makeDirectoriesBelow(kernel, root, parts, owner)
  } catch (error) {
    if (!hasErrno(error, 'ENOTDIR')) throw error
    throw new Failure('unknown', `Cannot mkdir: ${directory} is not a directory`, { cause: error })
  }
}

/** What is below a file is an error in itself. */
function linkAt(kernel: Kernel, root: Fd, path: string): string | undefined {
  try {
    return kernel.readlinkat(root, `.${path}`)
  } catch (error) {
    if (hasErrno(error, 'EINVAL', 'ENOENT')) return undefined
    if (!hasErrno(error, 'ENOTDIR')) throw error
    throw new Failure('unknown', `lstat ${path}: not a directory`, { cause: error })
  }
}
