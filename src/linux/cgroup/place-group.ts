// Where a group lies in each hierarchy, by what a spec says of it. Pure.
import { join, posix } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { Hierarchies } from './parse-hierarchies.ts'

/** A group's directory in one v1 hierarchy. `keys`: its controllers, or its title where it has none. */
export interface V1Place {
  name: string
  keys: readonly string[]
  directory: string
}

export interface GroupPlaces {
  /** Relative to the hierarchies' roots, for people and records. */
  path: string
  v1: readonly V1Place[]
  unified: string | undefined
}

/** A path from a spec, made harmless: `..` cannot climb above where it starts, and what was absolute stays absolute. */
export function cleanGroupPath(path: string): string {
  if (path.includes('\0') || path.split('/').some((part) => Buffer.byteLength(part) > 255))
    throw new Failure('invalid-argument', `linux.cgroupsPath: ${JSON.stringify(path)} is not a path`)
  const clean = posix.normalize(`/${path}`).replace(/(?<=.)\/$/, '')
  return path.startsWith('/') ? clean : clean.slice(1)
}

/**
 * @param path clean; a relative one starts at the runtime's own group, in each hierarchy. With v2 that group has processes, which
 * forbids it to pass controllers on: there it starts one level above.
 * @param ownGroups /proc/self/cgroup
 */
export function placeGroup(hierarchies: Hierarchies, version: 1 | 2, path: string, ownGroups: string): GroupPlaces {
  // Where it starts is a group of others: the root's, or the runtime's own.
  if (path === '' || path === '/') throw new Failure('invalid-argument', 'linux.cgroupsPath: names no group of its own')
  const own = parseOwnGroups(ownGroups)
  const start = (keys: readonly string[], root: string): string => {
    if (path.startsWith('/')) return '/'
    const group = keys.map((key) => own.get(key)).find((found) => found !== undefined) ?? '/'
    const below = posix.relative(root, group)
    return below.startsWith('..') ? '/' : `/${below}`
  }
  const unifiedStart = start([''], hierarchies.unifiedRoot)
  const unifiedPath = join(version === 2 ? posix.dirname(unifiedStart) : unifiedStart, path)
  const unified = hierarchies.unified === undefined ? undefined : join(hierarchies.unified, unifiedPath)
  const v1 = hierarchies.v1.map(({ name, controllers, title, mountpoint, root }) => {
    const keys = controllers.length > 0 || title === undefined ? controllers : [title]
    return { name, keys, directory: join(mountpoint, start(keys, root), path) }
  })
  return version === 2 ? { path: unifiedPath, v1: [], unified } : { path: unifiedPath, v1, unified }
}

/** `3:cpu,cpuacct:/a`, by controller, by title (`name=systemd`), and by '' for the unified tree. */
export function parseOwnGroups(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const [, keys, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
      return keys === undefined || path === undefined ? [] : keys.split(',').map((key) => [key, path] as const)
    }),
  )
}

/** `exec --cgroup`: a directory below the group's own, or the group itself. */
export function subgroupOf(directory: string, subgroup: string): string {
  const path = join(directory, subgroup)
  if (subgroup.includes('\0') || (path !== directory && !path.startsWith(`${directory}/`)))
    throw new Failure('invalid-argument', `bad sub cgroup path: ${subgroup}`)
  return path.replace(/\/$/, '')
}
