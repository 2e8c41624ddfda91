// /proc/self/mountinfo (proc(5)): what is mounted where, and how it propagates.
import { readFileSync } from 'node:fs'

export interface MountInfo {
  mountPoint: string
  /** `shared:2`, `master:1`: the optional fields. */
  optional: readonly string[]
}

/** In the kernel's order: a later mount at one place lies over an earlier one. */
export function parseMountInfo(text: string): MountInfo[] {
  return text.split('\n').flatMap((line) => {
    const [before = ''] = line.split(' - ')
    const [, , , , mountPoint, , ...optional] = before.split(' ')
    return mountPoint === undefined ? [] : [{ mountPoint: withoutEscapes(mountPoint), optional }]
  })
}

export function readMountInfo(): MountInfo[] {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'))
}

/** The path itself, where something is mounted on it, and all mount points below. */
export function mountPointsBelow(path: string): string[] {
  return readMountInfo()
    .map(({ mountPoint }) => mountPoint)
    .filter((mountPoint) => mountPoint === path || mountPoint.startsWith(`${path}/`))
}

/** The mount that a path without links in it is on; the topmost where several lie over each other. */
export function mountOf(path: string, mounts: readonly MountInfo[] = readMountInfo()): MountInfo | undefined {
  let found: MountInfo | undefined
  for (const mount of mounts) {
    const { mountPoint } = mount
    const holds = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`)
    if (holds && mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mount
  }
  return found
}

/** Space, tab, newline and backslash are written in octal. */
function withoutEscapes(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
