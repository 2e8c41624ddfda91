// The machine's control groups: which version, which controllers, and a handle for each group.
import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { Kernel } from '../kernel.ts'
import { openNativeKernel } from '../native-kernel.ts'
import type { Cgroup, CgroupRecord } from './cgroup.ts'
import { CgroupV1 } from './cgroup-v1.ts'
import { CgroupV2 } from './cgroup-v2.ts'
import { childGroups } from './group-files.ts'
import { type Hierarchies, parseHierarchies, versionOf } from './parse-hierarchies.ts'
import { cleanGroupPath, type GroupPlaces, placeGroup, type V1Place } from './place-group.ts'
import { SystemdCgroup } from './systemd/systemd-cgroup.ts'

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

export interface CgroupRequest {
  /** linux.cgroupsPath: absolute, relative to the runtime's own group, empty (the id there), or `slice:prefix:name` with systemd. */
  cgroupsPath: string | undefined
  id: string
  systemd: boolean
  /** An ordinary user: hierarchies in which nothing may be made are done without, unless the spec names the group or limits something. */
  rootless: boolean
  /** v2: the container's root in a user namespace, where it may make groups of its own below. */
  ownerUid?: number
  /** The spec's, for `org.systemd.property.*`. */
  annotations?: Readonly<Record<string, string>>
}

/** A handle, nothing is made yet. Throws Failure('invalid-argument') that names the field. */
export async function openCgroup(request: CgroupRequest, kernel: Kernel = openNativeKernel()): Promise<Cgroup> {
  const hierarchies = readHierarchies()
  const version = versionOf(hierarchies)
  const { rootless, ownerUid } = request
  const named = request.cgroupsPath ?? ''
  const own = readFileSync('/proc/self/cgroup', 'utf8')
  const options = { rootless, isNamed: named !== '', ...(ownerUid === undefined ? {} : { ownerUid }) }
  if (!request.systemd) {
    const path = cleanGroupPath(named === '' ? request.id : named)
    return makeHandle(kernel, hierarchies, version, placeGroup(hierarchies, version, path, own), options)
  }
  const { openSystemdUnit } = await import('./systemd/open-unit.ts') // few groups are systemd's, and its bus is a lot of code
  const unit = await openSystemdUnit(request, version)
  const places = placeGroup(hierarchies, version, unit.path, own)
  return unit.wrap(makeHandle(kernel, hierarchies, version, places, { ...options, isNamed: true }))
}

/** The group of a record, wherever the caller itself is now. Reads nothing. */
export function reopenCgroup(record: CgroupRecord, kernel: Kernel = openNativeKernel()): Cgroup {
  const group = reopenGroup(record, kernel)
  const { systemd } = record
  if (systemd === undefined) return group
  // The unit is there: its slice and its birth are over.
  return new SystemdCgroup(group, { ...systemd, id: systemd.unit, slice: '', extra: [] })
}

function reopenGroup(record: CgroupRecord, kernel: Kernel): Cgroup {
  const { version, path, paths, rootless } = record
  const options = { rootless, isNamed: true }
  const unified = paths['']
  if (version === 2) {
    const mountpoint = unified?.endsWith(path) ? unified.slice(0, -path.length) : '/sys/fs/cgroup'
    return new CgroupV2(kernel, { mountpoint, path, directory: unified }, options)
  }
  const keysOf = new Map<string, string[]>()
  for (const [key, directory] of Object.entries(paths))
    if (key !== '') keysOf.set(directory, [...(keysOf.get(directory) ?? []), key])
  const v1 = [...keysOf].map(
    ([directory, keys]): V1Place => ({ name: keys.join(',').replace(/^name=/, ''), keys, directory }),
  )
  return new CgroupV1(kernel, { path, v1, unified }, options)
}

export function openCgroups(kernel: Kernel = openNativeKernel()): CgroupHost {
  const hierarchies = readHierarchies()
  const version = versionOf(hierarchies)
  const mountpoints = findMountpoints(hierarchies, version)
  return {
    version,
    controllers: new Set(mountpoints.keys()),
    mountpoints,
    open(path) {
      const places = placeGroup(hierarchies, version, checkPath(path), '')
      return makeHandle(kernel, hierarchies, version, places, { rootless: false, isNamed: true })
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

function readHierarchies(): Hierarchies {
  return parseHierarchies(readFileSync('/proc/self/mountinfo', 'utf8'))
}

function makeHandle(
  kernel: Kernel,
  hierarchies: Hierarchies,
  version: 1 | 2,
  places: GroupPlaces,
  options: { rootless: boolean; isNamed: boolean; ownerUid?: number },
): Cgroup {
  const { unified: mountpoint } = hierarchies
  const { unified: directory, path } = places
  return version === 2 && mountpoint !== undefined && directory !== undefined
    ? new CgroupV2(kernel, { mountpoint, path, directory }, options)
    : new CgroupV1(kernel, places, options)
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
