// Mounts at `<exec-root>/mounts/<container>`, for as long as a container starts: what can only be had by a descriptor needs a name under which
// containerd's shim can bind it. Once the container runs they go; what a crash leaves goes at the engine's next start.
import { existsSync, fstatSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AT_EMPTY_PATH, AT_FDCWD, MNT_DETACH, OPEN_TREE_CLONE, UMOUNT_NOFOLLOW } from '../../../linux/constants.ts'
import { hasErrno } from '../../../linux/kernel-error.ts'
import type { Fd } from '../../../linux/kernel.ts'
import type { Engine } from '../../engine.ts'

type Host = Pick<Engine, 'config' | 'kernel'>

export function temporaryMountPath({ config }: Pick<Engine, 'config'>, containerId: string, name: string): string {
  return join(config.execRoot, 'mounts', containerId, name)
}

/** A mount of its own of what the descriptor stands for, a directory or a file; it alone, without what is mounted below. */
export function bindTemporarily(engine: Host, path: string, source: Fd): void {
  const tree = engine.kernel.openTree(source, '', OPEN_TREE_CLONE | AT_EMPTY_PATH)
  try {
    mountTemporarily(engine, path, tree, fstatSync(source).isDirectory())
  } finally {
    engine.kernel.close(tree)
  }
}

/** `mount` is a detached one. */
export function mountTemporarily({ kernel }: Host, path: string, mount: Fd, isDirectory = true): void {
  mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 })
  if (isDirectory) mkdirSync(path, { mode: 0o700 })
  else writeFileSync(path, '', { flag: 'wx', mode: 0o600 })
  kernel.moveMount(mount, '', AT_FDCWD, path, 0)
}

/** Idempotent. */
export function removeTemporaryMounts(engine: Host, containerId: string): void {
  const directory = temporaryMountPath(engine, containerId, '')
  for (const name of existsSync(directory) ? readdirSync(directory).reverse() : []) {
    try {
      engine.kernel.umount(join(directory, name), MNT_DETACH | UMOUNT_NOFOLLOW)
    } catch (error) {
      if (!hasErrno(error, 'EINVAL')) throw error // not mounted: a crash came first
    }
  }
  // Only what is empty, or a mount point without its mount: never what is mounted.
  for (const name of existsSync(directory) ? readdirSync(directory) : []) removeMountPoint(join(directory, name))
  if (existsSync(directory)) removeMountPoint(directory)
}

function removeMountPoint(path: string): void {
  rmSync(path, { recursive: readdirOrNone(path).length === 0, force: true })
}

function readdirOrNone(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return []
    throw error
  }
}

/** At the engine's start, when no container is on its way up. */
export function sweepTemporaryMounts(engine: Host): void {
  const directory = join(engine.config.execRoot, 'mounts')
  for (const id of existsSync(directory) ? readdirSync(directory) : []) removeTemporaryMounts(engine, id)
}
