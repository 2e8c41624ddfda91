// A hint for ext4 on where to put the directories that are made in this one.
import { closeSync, constants, openSync } from 'node:fs'
import { libcIntFunction } from './libc.ts'

const FS_IOC_GETFLAGS = 0x80086601
const FS_IOC_SETFLAGS = 0x40086602
/** chattr(1) `T`: the top of directory hierarchies that have nothing to do with each other. */
const TOPDIR_FL = 0x00020000

const ioctl = libcIntFunction('ioctl', 'int', 'ulong', 'ptr')

/**
 * Each directory made in `path` from now on begins in block groups of its own instead of beside its parent's. ext4 does not give out an inode number that was freed
 * within the last minutes, and tries each one of its group for every new file: thousands of files that are unpacked beside as many that were removed just
 * before cost four times as much. Other file systems know nothing of it, and nothing happens.
 */
export function spreadDirectories(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    const flags = new Int32Array(2) // the request's number says long, the kernel means int
    if (ioctl(fd, FS_IOC_GETFLAGS, flags) < 0 || (flags[0]! & TOPDIR_FL) !== 0) return
    flags[0] = flags[0]! | TOPDIR_FL
    ioctl(fd, FS_IOC_SETFLAGS, flags)
  } finally {
    closeSync(fd)
  }
}
