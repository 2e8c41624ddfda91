// /dev/shm of containers that share their IPC namespace, where containerd is not ours: its runtime binds only what is mounted on the host, so a tmpfs is, as dockerd does it.
// `<exec-root>/shm/<id>`; it goes with the run, and after a crash at the engine's start. (Our own runtime joins the other container's mount itself.)
import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { MNT_DETACH, MS_NODEV, MS_NOEXEC, MS_NOSUID, UMOUNT_NOFOLLOW } from '../../linux/constants.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'

const DEFAULT_BYTES = 64 << 20

/** Undefined where the runtime sees to it. */
export function sharedMemoryPath(engine: Engine, container: Container): string | undefined {
  const isShared = !engine.peer.isOwn && container.record.hostConfig.IpcMode === 'shareable'
  return isShared ? join(directoryOf(engine), container.id) : undefined
}

/** Before the task; `removeSharedMemory` undoes it. */
export function makeSharedMemory(engine: Engine, container: Container): void {
  const path = sharedMemoryPath(engine, container)
  if (path === undefined) return
  removeSharedMemory(engine, container.id)
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const size = container.record.hostConfig.ShmSize || DEFAULT_BYTES
  engine.kernel.mount('shm', path, 'tmpfs', MS_NOSUID | MS_NOEXEC | MS_NODEV, `mode=1777,size=${size}`)
}

/** Idempotent. */
export function removeSharedMemory(engine: Engine, id: string): void {
  const path = join(directoryOf(engine), id)
  if (!existsSync(path)) return
  try {
    engine.kernel.umount(path, MNT_DETACH | UMOUNT_NOFOLLOW)
  } catch (error) {
    if (!hasErrno(error, 'EINVAL')) throw error // not mounted: a crash came first
  }
  rmdirSync(path)
}

export function sweepSharedMemory(engine: Engine, live: ReadonlySet<string>): void {
  const directory = directoryOf(engine)
  for (const id of existsSync(directory) ? readdirSync(directory) : [])
    if (!live.has(id)) removeSharedMemory(engine, id)
}

function directoryOf({ config }: Engine): string {
  return join(config.execRoot, 'shm')
}
