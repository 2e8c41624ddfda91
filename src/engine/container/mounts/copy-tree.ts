// Copies a directory that nobody is changing, with owners, modes, attributes, times, links and special files: the first content of a volume.
import {
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  type Stats,
  symlinkSync,
} from 'node:fs'
import { AT_FDCWD } from '../../../linux/constants.ts'
import type { Kernel } from '../../../linux/kernel.ts'
import { hasErrno } from '../../../linux/kernel-error.ts'

/**
 * `to` exists; it takes over owner, mode and attributes of `from`, too. What is there already stays: another container may have the volume, and write
 * to it meanwhile. Then a name of `to` can turn into a link at any moment, so this runs where no link leads anywhere else (copy-up-worker.ts).
 */
export function copyTree(kernel: Kernel, from: string, to: string): void {
  const copy: Copy = { kernel, copies: new Map() }
  copyChildren(copy, from, to)
  takeOver(copy, from, to, lstatSync(from))
}

interface Copy {
  kernel: Kernel
  /** The first copy of each file that has several names. */
  copies: Map<string, string>
}

function copyChildren(copy: Copy, from: string, to: string): void {
  for (const name of readdirSync(from)) {
    try {
      copyEntry(copy, `${from}/${name}`, `${to}/${name}`)
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error
    }
  }
}

function copyEntry(copy: Copy, from: string, to: string): void {
  const stat = lstatSync(from)
  if (!stat.isDirectory() && stat.nlink > 1) {
    const file = `${stat.dev}:${stat.ino}`
    const first = copy.copies.get(file)
    if (first !== undefined) return linkSync(first, to)
    copy.copies.set(file, to)
  }
  if (stat.isDirectory()) {
    mkdirSync(to, { mode: 0o700 })
    copyChildren(copy, from, to)
  } else if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from), to)
  else if (stat.isFile()) copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  else copy.kernel.mknodat(AT_FDCWD, to, stat.mode, { major: majorOf(stat.rdev), minor: minorOf(stat.rdev) })
  takeOver(copy, from, to, stat)
}

/** Owner first: changing it clears setuid and capabilities. */
function takeOver({ kernel }: Copy, from: string, to: string, stat: Stats): void {
  lchownSync(to, stat.uid, stat.gid)
  if (!stat.isSymbolicLink()) chmodSync(to, stat.mode & 0o7777)
  for (const name of kernel.llistxattr(from)) {
    if (name.startsWith('trusted.overlay.')) continue // of the layer, not of the file
    const value = kernel.lgetxattr(from, name)
    if (value !== undefined) setAttribute(kernel, to, name, value)
  }
  lutimesSync(to, stat.atime, stat.mtime)
}

/** A volume's file system need not know attributes. */
function setAttribute(kernel: Kernel, path: string, name: string, value: Uint8Array): void {
  try {
    kernel.lsetxattr(path, name, value)
  } catch (error) {
    if (!hasErrno(error, 'EOPNOTSUPP', 'EPERM')) throw error
  }
}

function majorOf(device: number): number {
  return Math.floor(device / 256) & 0xfff
}

function minorOf(device: number): number {
  return (device & 0xff) | (Math.floor(device / 0x100000) * 256)
}
