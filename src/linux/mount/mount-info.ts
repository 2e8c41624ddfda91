// Questions about this process's mounts (proc(5), /proc/self/mountinfo).
import { readFileSync } from 'node:fs'
import { type MountLine, parseMountInfo } from './parse-mountinfo.ts'

/** In the kernel's order: a later mount at one place lies over an earlier one. */
export function readMountInfo(): MountLine[] {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'))
}

/** The path itself, where something is mounted on it, and all mount points below. */
export function mountPointsBelow(path: string): string[] {
  return readMountInfo()
    .map(({ mountPoint }) => mountPoint)
    .filter((mountPoint) => mountPoint === path || mountPoint.startsWith(`${path}/`))
}

/** The mount that a path without links in it is on; the topmost where several lie over each other. */
export function mountOf(path: string, mounts: readonly MountLine[] = readMountInfo()): MountLine | undefined {
  let found: MountLine | undefined
  for (const mount of mounts) {
    const { mountPoint } = mount
    const holds = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`)
    if (holds && mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mount
  }
  return found
}
