// Copies a directory that nobody is changing, with owners, modes, times, links and special files: the first content of a volume.
import {
  chmodSync,
  copyFileSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
} from 'node:fs'
import { AT_FDCWD } from '../../linux/constants.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import type { Kernel } from '../../linux/kernel.ts'

const RENAME_NOREPLACE = 1

/**
 * `to` exists and is empty; it takes over owner and mode of `from`, too. Links are copied, never followed.
 *
 * Another container may have the volume already, and change it while we write. So the copy is made beside it, where no container sees it,
 * and its entries are moved in whole: a rename follows no link, and what somebody else has put there meanwhile stays.
 */
export function copyTree(kernel: Kernel, from: string, to: string): void {
  const stage = `${to}.copy`
  rmSync(stage, { recursive: true, force: true }) // of a copy that a crash cut short
  mkdirSync(stage, { mode: 0o700 })
  try {
    copyChildren(kernel, from, stage)
    for (const name of readdirSync(stage)) moveIn(kernel, `${stage}/${name}`, `${to}/${name}`)
    takeOver(to, statSync(from)) // `from` may be a link of /proc/self/fd
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
}

function moveIn(kernel: Kernel, from: string, to: string): void {
  try {
    kernel.renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE)
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error
  }
}

function copyChildren(kernel: Kernel, from: string, to: string): void {
  for (const name of readdirSync(from)) copyEntry(kernel, `${from}/${name}`, `${to}/${name}`)
}

function copyEntry(kernel: Kernel, from: string, to: string): void {
  const stat = lstatSync(from)
  if (stat.isDirectory()) {
    mkdirSync(to)
    copyChildren(kernel, from, to)
  } else if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from), to)
  else if (stat.isFile()) copyFileSync(from, to)
  else kernel.mknodat(AT_FDCWD, to, stat.mode, { major: majorOf(stat.rdev), minor: minorOf(stat.rdev) })
  takeOver(to, stat)
}

/** Owner first: changing it clears setuid. */
function takeOver(path: string, stat: Stats): void {
  lchownSync(path, stat.uid, stat.gid)
  if (!stat.isSymbolicLink()) chmodSync(path, stat.mode & 0o7777)
  lutimesSync(path, stat.atime, stat.mtime)
}

function majorOf(device: number): number {
  return Math.floor(device / 256) & 0xfff
}

function minorOf(device: number): number {
  return (device & 0xff) | (Math.floor(device / 0x100000) * 256)
}
