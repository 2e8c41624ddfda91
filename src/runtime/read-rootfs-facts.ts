// What planning must know of a root file system, read through its descriptor, and of the host's files that a spec names. The root file
// system is hostile: nothing is followed out of it, only regular files are read, and no more than a megabyte of each.
import { closeSync, constants, fstatSync, openSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { BoundedFiles } from '../linux/bounded-files.ts'
import { O_PATH, PROC_SUPER_MAGIC } from '../linux/constants.ts'
import type { Fd, Kernel } from '../linux/kernel.ts'
import { openInRoot, readFileInRoot } from '../linux/read-file-in-root.ts'
import type { IdMapping, NamespaceType, RuntimeSpec } from '../oci/runtime-spec.ts'
import { containerPath, isBelow, isBindMount } from './container-path.ts'
import type { RootfsFacts } from './plan-types.ts'

const FILE_BYTES_MAX = 1 << 20
const PASSWD = '/etc/passwd'
const GROUP = '/etc/group'

/** What a user is looked up in, as the process will find it. */
export type UserFiles = Pick<RootfsFacts, 'passwd' | 'group'>

/** All that others may have mounted over. */
export type MountedFacts = UserFiles & Pick<RootfsFacts, 'sources'>

/**
 * @param spec where it is given, its tmpfs targets, the sources of its bind mounts and the namespaces that it joins are looked at too.
 * @param known what has been read already; otherwise it is read here, for however long that takes.
 */
export function readRootfsFacts(kernel: Kernel, rootfs: Fd, spec?: RuntimeSpec, known?: MountedFacts): RootfsFacts {
  return {
    ...(known ?? {
      passwd: readNow(kernel, rootfs, PASSWD, spec),
      group: readNow(kernel, rootfs, GROUP, spec),
      ...(spec === undefined ? {} : { sources: readSources(spec) }),
    }),
    ...(spec === undefined ? {} : factsOfSpec(kernel, rootfs, spec)),
  }
}

/** For a daemon, which must not wait where a mount hangs; rejects as BoundedFiles does. */
export async function readMountedFacts(files: BoundedFiles, rootfs: Fd, spec: RuntimeSpec): Promise<MountedFacts> {
  const [users, sources] = await Promise.all([readUserFiles(files, rootfs, spec), readBoundedSources(files, spec)])
  return { ...users, sources }
}

/** The same of a root file system as it is, or as the spec will cover it. */
export async function readUserFiles(files: BoundedFiles, rootfs: Fd, spec?: RuntimeSpec): Promise<UserFiles> {
  const [passwd, group] = await Promise.all([
    readBounded(files, rootfs, PASSWD, spec),
    readBounded(files, rootfs, GROUP, spec),
  ])
  return { passwd, group }
}

async function readBounded(
  files: BoundedFiles,
  rootfs: Fd,
  path: string,
  spec: RuntimeSpec | undefined,
): Promise<string | undefined> {
  const place = placeOf(path, spec)
  if (place === 'rootfs') return await files.read(rootfs, path, FILE_BYTES_MAX)
  return place && (await files.readBelow(place.root, place.file, FILE_BYTES_MAX))
}

function readNow(kernel: Kernel, rootfs: Fd, path: string, spec: RuntimeSpec | undefined): string | undefined {
  const place = placeOf(path, spec)
  if (place === 'rootfs') return readFileInRoot(kernel, rootfs, path, FILE_BYTES_MAX)
  if (place === undefined) return undefined
  const directory = attempt(() => openSync(place.root, O_PATH | constants.O_DIRECTORY))
  if (directory === undefined) return undefined
  try {
    return readFileInRoot(kernel, directory, place.file, FILE_BYTES_MAX)
  } finally {
    closeSync(directory)
  }
}

/** A bind mount puts its source there, a mount of another kind what nobody knows before it is made. */
function placeOf(path: string, spec: RuntimeSpec | undefined): 'rootfs' | { root: string; file: string } | undefined {
  const cover = spec?.mounts?.findLast(({ destination }) => isBelow(path, containerPath(destination, spec.root?.path)))
  if (cover === undefined || cover.options?.includes('tmpcopyup') === true) return 'rootfs'
  if (!isBindMount(cover) || cover.source === undefined) return undefined
  const below = path.slice(containerPath(cover.destination, spec?.root?.path).length)
  return below === '' ? { root: '/', file: resolve(cover.source) } : { root: cover.source, file: below }
}

function factsOfSpec(kernel: Kernel, rootfs: Fd, spec: RuntimeSpec): Partial<RootfsFacts> {
  const joinedMaps = readJoinedMaps(spec)
  return {
    modes: readModes(kernel, rootfs, spec),
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

function readSources(spec: RuntimeSpec): NonNullable<RootfsFacts['sources']> {
  const sources = new Map<string, 'directory' | 'file'>()
  for (const source of bindSources(spec)) {
    const stat = attempt(() => statSync(source))
    if (stat !== undefined) sources.set(source, stat.isDirectory() ? 'directory' : 'file')
  }
  return sources
}

async function readBoundedSources(
  files: BoundedFiles,
  spec: RuntimeSpec,
): Promise<NonNullable<RootfsFacts['sources']>> {
  const sources = new Map<string, 'directory' | 'file'>()
  await Promise.all(
    bindSources(spec).map(async (source) => {
      const kind = await files.kindOf(source)
      if (kind !== undefined) sources.set(source, kind === 'directory' ? 'directory' : 'file')
    }),
  )
  return sources
}

function bindSources({ mounts = [] }: RuntimeSpec): string[] {
  return mounts.flatMap((mount) => (isBindMount(mount) && mount.source !== undefined ? [mount.source] : []))
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
