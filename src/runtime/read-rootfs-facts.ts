// What planning must know of a root file system, read through its descriptor, and of the host's files that a spec names. The root file
// system is hostile: nothing is followed out of it, only regular files are read, and no more than a megabyte of each.
import { closeSync, constants, fstatSync, openSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { O_PATH, PROC_SUPER_MAGIC } from '../linux/constants.ts'
import type { Fd, Kernel } from '../linux/kernel.ts'
import { openInRoot, readFileInRoot } from '../linux/read-file-in-root.ts'
import type { IdMapping, NamespaceType, RuntimeSpec } from '../oci/runtime-spec.ts'
import { containerPath, isBelow, isBindMount } from './container-path.ts'
import type { RootfsFacts } from './plan-types.ts'

const FILE_BYTES_MAX = 1 << 20

/** @param spec where it is given, its tmpfs targets, the sources of its bind mounts and the namespaces that it joins are looked at too. */
export function readRootfsFacts(kernel: Kernel, rootfs: Fd, spec?: RuntimeSpec): RootfsFacts {
  return {
    passwd: readUserFile(kernel, rootfs, '/etc/passwd', spec),
    group: readUserFile(kernel, rootfs, '/etc/group', spec),
    ...(spec === undefined ? {} : factsOfSpec(kernel, rootfs, spec)),
  }
}

/** As the process will find it: a bind mount puts its source there, a mount of another kind what nobody knows before it is made. */
function readUserFile(kernel: Kernel, rootfs: Fd, path: string, spec: RuntimeSpec | undefined): string | undefined {
  const cover = spec?.mounts?.findLast(({ destination }) => isBelow(path, containerPath(destination, spec.root?.path)))
  if (cover === undefined || cover.options?.includes('tmpcopyup') === true)
    return readFileInRoot(kernel, rootfs, path, FILE_BYTES_MAX)
  if (!isBindMount(cover) || cover.source === undefined) return undefined
  const below = path.slice(containerPath(cover.destination, spec?.root?.path).length)
  const [root, file] = below === '' ? ['/', resolve(cover.source)] : [cover.source, below]
  const directory = attempt(() => openSync(root, O_PATH | constants.O_DIRECTORY))
  if (directory === undefined) return undefined
  try {
    return readFileInRoot(kernel, directory, file, FILE_BYTES_MAX)
  } finally {
    closeSync(directory)
  }
}

function factsOfSpec(kernel: Kernel, rootfs: Fd, spec: RuntimeSpec): Partial<RootfsFacts> {
  const joinedMaps = readJoinedMaps(spec)
  return {
    modes: readModes(kernel, rootfs, spec),
    sources: readSources(spec),
    procfs: findProcfs(spec),
    hostNamespaces: findHostNamespaces(spec),
    ...(joinedMaps === undefined ? {} : { joinedMaps }),
  }
}

function readModes(kernel: Kernel, rootfs: Fd, spec: RuntimeSpec): Map<string, number> {
  const modes = new Map<string, number>()
  for (const { type, destination, options } of spec.mounts ?? []) {
    if (type !== 'tmpfs' || options?.some((option) => option.startsWith('mode='))) continue
    const path = containerPath(destination, spec.root?.path)
    const directory = openInRoot(kernel, rootfs, path, O_PATH)
    if (directory === undefined) continue
    const stat = fstatSync(directory)
    closeSync(directory)
    if (stat.isDirectory()) modes.set(path, stat.mode & 0o7777)
  }
  return modes
}

function readSources(spec: RuntimeSpec): Map<string, 'directory' | 'file'> {
  const sources = new Map<string, 'directory' | 'file'>()
  for (const mount of spec.mounts ?? []) {
    if (!isBindMount(mount) || mount.source === undefined) continue
    const { source } = mount
    const stat = attempt(() => statSync(source))
    if (stat !== undefined) sources.set(source, stat.isDirectory() ? 'directory' : 'file')
  }
  return sources
}

/** Only what would cover /proc is looked at. */
function findProcfs(spec: RuntimeSpec): Set<string> {
  const found = new Set<string>()
  for (const mount of spec.mounts ?? [])
    if (mount.source !== undefined && isBindMount(mount) && containerPath(mount.destination) === '/proc')
      if (attempt(() => statfsSync(mount.source ?? '').type) === PROC_SUPER_MAGIC) found.add(mount.source)
  return found
}

const NAMESPACE_FILE: Record<NamespaceType, string> = {
  mount: 'mnt',
  network: 'net',
  pid: 'pid',
  ipc: 'ipc',
  uts: 'uts',
  cgroup: 'cgroup',
  user: 'user',
  time: 'time',
}

function findHostNamespaces(spec: RuntimeSpec): Set<NamespaceType> {
  const found = new Set<NamespaceType>()
  for (const { type, path } of spec.linux?.namespaces ?? []) {
    if (!path) continue
    const theirs = attempt(() => statSync(path))
    const own = attempt(() => statSync(`/proc/self/ns/${NAMESPACE_FILE[type]}`))
    if (theirs !== undefined && theirs.ino === own?.ino && theirs.dev === own.dev) found.add(type)
  }
  return found
}

/** Known where the namespace is named by a process that is in it. */
function readJoinedMaps(spec: RuntimeSpec): RootfsFacts['joinedMaps'] {
  const path = spec.linux?.namespaces?.find(({ type }) => type === 'user')?.path ?? ''
  const process = /^(\/proc\/(?:self|[1-9]\d*))\/ns\/user$/.exec(path)?.[1]
  if (process === undefined) return undefined
  return attempt(() => ({ uid: readMap(`${process}/uid_map`), gid: readMap(`${process}/gid_map`) }))
}

function readMap(path: string): IdMapping[] {
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const [containerID = 0, hostID = 0, size = 0] = line.trim().split(/\s+/).map(Number)
      return { containerID, hostID, size }
    })
}

/** What is not there, or not for us to see, is not known; the kernel will say why when it is used. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}
