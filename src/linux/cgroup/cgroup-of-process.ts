// The group that a process is in, found from outside: another runtime has made it.
import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import type { Kernel } from '../kernel.ts'
import type { Cgroup, CgroupRecord } from './cgroup.ts'
import { reopenCgroup } from './open-cgroups.ts'
import { type Hierarchies, parseHierarchies, versionOf } from './parse-hierarchies.ts'
import { parseOwnGroups } from './place-group.ts'

/** A group that is ours too, or the root, is not the container's: whoever kills the container must not end with it. */
export function cgroupOfProcess(pid: number, kernel: Kernel): Cgroup {
  const hierarchies = parseHierarchies(readFileSync('/proc/self/mountinfo', 'utf8'))
  const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
  return reopenCgroup(recordOfProcess(hierarchies, groups, readFileSync('/proc/self/cgroup', 'utf8')), kernel)
}

/** @param groups @param ownGroups /proc/<pid>/cgroup of the process and of the caller. */
export function recordOfProcess(hierarchies: Hierarchies, groups: string, ownGroups: string): CgroupRecord {
  const found = parseOwnGroups(groups)
  const own = parseOwnGroups(ownGroups)
  const paths: Record<string, string> = {}
  const add = (key: string, mountpoint: string, root: string): void => {
    const group = found.get(key)
    if (group === undefined || group === '/' || group === own.get(key) || isAbove(group, own.get(key))) return
    const below = posix.relative(root, group)
    if (!below.startsWith('..')) paths[key] = join(mountpoint, below)
  }
  for (const { controllers, title, mountpoint, root } of hierarchies.v1)
    for (const key of controllers.length > 0 || title === undefined ? controllers : [title]) add(key, mountpoint, root)
  if (hierarchies.unified !== undefined) add('', hierarchies.unified, hierarchies.unifiedRoot)
  const version = versionOf(hierarchies)
  const path = version === 2 ? found.get('') : [...found].find(([key]) => paths[key] !== undefined)?.[1]
  return { version, path: path ?? '/', paths, rootless: false }
}

function isAbove(group: string, own: string | undefined): boolean {
  return own?.startsWith(`${group}/`) === true
}
