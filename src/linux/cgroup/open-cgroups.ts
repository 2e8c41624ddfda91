// The machine's control groups: which version, which controllers, and a handle for each group.
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { Kernel } from '../kernel.ts'
import { openNativeKernel } from '../native-kernel.ts'
import type { Cgroup } from './cgroup.ts'
import { CgroupV1 } from './cgroup-v1.ts'
import { CgroupV2 } from './cgroup-v2.ts'
import { type Hierarchies, parseHierarchies, versionOf } from './parse-hierarchies.ts'

export interface CgroupHost {
  readonly version: 1 | 2
  /** cpu, memory, pids, … whichever are there. */
  readonly controllers: ReadonlySet<string>
  /** By controller; with v2 all the same. */
  readonly mountpoints: ReadonlyMap<string, string>
  /** A handle, nothing is made yet. `path` is relative to the hierarchies' roots: `/docker/<id>`. */
  open(path: string): Cgroup
  /**
   * Pays, off the request path, what the first move of a process into a v1 group costs after a pause: the kernel then waits
   * several milliseconds for an RCU grace period, and the moves of the next half second cost nothing. Returns at once.
   */
  prewarm(): void
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
    prewarm: openPrewarm(hierarchies, version),
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

/** Moving this process to the group it is in changes nothing, but takes (and so readies) the lock that every move takes. */
function openPrewarm({ v1 }: Hierarchies, version: 1 | 2): () => void {
  const [first] = v1
  if (version === 2 || first === undefined) return () => {} // v2 children are born in their group: no move, no price
  const titles = first.controllers.length > 0 ? first.controllers.join(',') : `name=${first.name}`
  const own = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([, names]) => names === titles)
  if (own === undefined) return () => {}
  const file = join(first.mountpoint, own.slice(2).join(':'), 'cgroup.procs')
  let isRunning = false
  return () => {
    if (isRunning) return
    isRunning = true
    // On a thread of the pool: it sleeps in the kernel. If it fails, the next start pays, and nothing else happens.
    writeFile(file, String(process.pid))
      .catch(() => {})
      .finally(() => {
        isRunning = false
      })
  }
}
