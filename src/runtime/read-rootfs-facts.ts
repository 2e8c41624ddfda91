// What planning must know of a root file system, read through its descriptor. Its content is hostile: nothing is followed out
// of it, only regular files are read, and no more than a megabyte of each.
import { closeSync, fstatSync, statSync } from 'node:fs'
import { posix } from 'node:path'
import { O_PATH } from '../linux/constants.ts'
import type { Fd, Kernel } from '../linux/kernel.ts'
import { openInRoot, readFileInRoot } from '../linux/read-file-in-root.ts'
import type { RuntimeSpec } from '../oci/runtime-spec.ts'
import type { RootfsFacts } from './plan-types.ts'

const FILE_BYTES_MAX = 1 << 20

/** @param spec where it is given, its tmpfs targets and the sources of its bind mounts are looked at too. */
export function readRootfsFacts(kernel: Kernel, rootfs: Fd, spec?: RuntimeSpec): RootfsFacts {
  return {
    passwd: readFileInRoot(kernel, rootfs, '/etc/passwd', FILE_BYTES_MAX),
    group: readFileInRoot(kernel, rootfs, '/etc/group', FILE_BYTES_MAX),
    ...(spec === undefined ? {} : { modes: readModes(kernel, rootfs, spec), sources: readSources(spec) }),
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
