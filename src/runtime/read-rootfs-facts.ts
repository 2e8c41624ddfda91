// What planning must know of a root file system, read through its descriptor. Its content is hostile: nothing is followed out
// of it, only regular files are read, and no more than a megabyte of each.
import { closeSync, fstatSync, readSync, statSync } from 'node:fs'
import { posix } from 'node:path'
import { O_NONBLOCK, O_PATH, O_RDONLY, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from '../linux/constants.ts'
import type { Fd, Kernel } from '../linux/kernel.ts'
import { isFailure } from '../base/failure.ts'
import type { RuntimeSpec } from '../oci/runtime-spec.ts'
import type { RootfsFacts } from './plan-types.ts'

const FILE_BYTES_MAX = 1 << 20

/** @param spec where it is given, its tmpfs targets and the sources of its bind mounts are looked at too. */
export function readRootfsFacts(kernel: Kernel, rootfs: Fd, spec?: RuntimeSpec): RootfsFacts {
  return {
    passwd: readFileInRoot(kernel, rootfs, '/etc/passwd'),
    group: readFileInRoot(kernel, rootfs, '/etc/group'),
    ...(spec === undefined ? {} : { modes: readModes(kernel, rootfs, spec), sources: readSources(spec) }),
  }
}

/** undefined where there is no such file, or it is not a regular one, or it is too big to be true. */
export function readFileInRoot(kernel: Kernel, root: Fd, path: string): string | undefined {
  // O_NONBLOCK: opening a FIFO that someone put there must not wait for a writer.
  const file = openInRoot(kernel, root, path, O_RDONLY | O_NONBLOCK)
  if (file === undefined) return undefined
  try {
    const stat = fstatSync(file)
    if (!stat.isFile() || stat.size > FILE_BYTES_MAX) return undefined
    const bytes = Buffer.alloc(stat.size)
    let size = 0
    while (size < bytes.length) {
      const read = readSync(file, bytes, size, bytes.length - size, size)
      if (read === 0) break
      size += read
    }
    return bytes.toString('utf8', 0, size)
  } finally {
    closeSync(file)
  }
}

function openInRoot(kernel: Kernel, root: Fd, path: string, flags: number): Fd | undefined {
  try {
    return kernel.openat2(root, path, { flags, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS })
  } catch (error) {
    // Absent, or of a kind that can't be opened: for us there is none. A kernel out of memory or descriptors is another matter.
    if (isFailure(error, 'resource-exhausted', 'unimplemented')) throw error
    return undefined
  }
}

function readModes(kernel: Kernel, rootfs: Fd, spec: RuntimeSpec): Map<string, number> {
  const modes = new Map<string, number>()
  for (const { type, destination, options } of spec.mounts ?? []) {
    if (type !== 'tmpfs' || options?.some((option) => option.startsWith('mode='))) continue
    const path = posix.normalize(destination).replace(/(?<=.)\/$/, '')
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
  for (const { type, source, options } of spec.mounts ?? []) {
    if (type !== 'bind' && !options?.some((option) => option === 'bind' || option === 'rbind')) continue
    const stat = source === undefined ? undefined : statSync(source, { throwIfNoEntry: false })
    if (source !== undefined && stat !== undefined) sources.set(source, stat.isDirectory() ? 'directory' : 'file')
  }
  return sources
}
