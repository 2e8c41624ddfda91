// The machine's control groups: which version, which controllers, and a handle for each group.
import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { Kernel } from '../kernel.ts'
import { openNativeKernel } from '../native-kernel.ts'
import type { Cgroup } from './cgroup.ts'
import { CgroupV1 } from './cgroup-v1.ts'
import { CgroupV2 } from './cgroup-v2.ts'
import { childGroups } from './group-files.ts'
import { type Hierarchies, parseHierarchies, versionOf } from './parse-hierarchies.ts'

export interface CgroupHost {
  readonly version: 1 | 2
  /** cpu, memory, pids, … whichever are there. */
  readonly controllers: ReadonlySet<string>
  /** By controller; with v2 all the same. */
  readonly mountpoints: ReadonlyMap<string, string>
  /** A handle, nothing is made yet. `path` is relative to the hierarchies' roots: `/docker/<id>`. */
  open(path: string): Cgroup
  /** Paths of the groups directly below this one, in any hierarchy: what a crash may have left. */
  list(parent: string): string[]
}

export function openCgroups(kernel: Kernel = openNativeKernel()): CgroupHost {
  const hierarchies = parseHierarchies(readFileSync('/proc/self/mountinfo', 'utf8'))
  const version = versionOf(hierarchies)
  const mountpoints = findMountpoints(hierarchies, version)
  return {
    version,
    controllers: new Set(mountpoints.keys()),
    mountpoints,
    open(path) {
      const checked = checkPath(path)
      return version === 2 && hierarchies.unified !== undefined
        ? new CgroupV2(kernel, hierarchies.unified, checked)
        : new CgroupV1(kernel, hierarchies, checked)
    },
    list(parent) {
      const roots = [
        ...hierarchies.v1.map(({ mountpoint }) => mountpoint),
        ...(hierarchies.unified ? [hierarchies.unified] : []),
      ]
      const names = roots.flatMap((root) =>
        childGroups(join(root, checkPath(parent))).map((path) => path.slice(root.length)),
      )
      return [...new Set(names)]
    },
  }
}

function findMountpoints({ v1, unified }: Hierarchies, version: 1 | 2): Map<string, string> {
  if (version === 1)
    return new Map(v1.flatMap(({ controllers, mountpoint }) => controllers.map((name) => [name, mountpoint] as const)))
  const root = unified ?? '/sys/fs/cgroup'
  const names = readFileSync(join(root, 'cgroup.controllers'), 'utf8').trim().split(' ').filter(Boolean)
  return new Map(names.map((name) => [name, root]))
}

/** A path from a client's spec: absolute, and never the root or above it. */
function checkPath(path: string): string {
  const isPlain = path.startsWith('/') && !path.includes('\0') && posix.normalize(path) === path.replace(/\/$/, '')
  if (!isPlain || path === '/' || path.split('/').some((part) => part.length > 255))
    throw new Failure('invalid-argument', `linux.cgroupsPath: ${JSON.stringify(path)} is not a plain absolute path`)
  return path.replace(/\/$/, '')
}
