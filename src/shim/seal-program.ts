// A program as a sealed memfd. A container that gets hold of /proc/<pid>/exe of a shim or of its child could otherwise write
// to the program that the host runs for every other container (CVE-2019-5736).
import { readFileSync, writeSync } from 'node:fs'
import { ERRNO } from '../linux/kernel-error.ts'
import { checked, errno, libcIntFunction } from '../linux/libc.ts'

const MFD_CLOEXEC = 1
const MFD_ALLOW_SEALING = 2
const MFD_EXEC = 0x10 // Linux 6.3; without it a hardened system gives a file that cannot be executed
const F_ADD_SEALS = 1033
const SEAL_ALL = 0x1 | 0x2 | 0x4 | 0x8 // seal, shrink, grow, write

const memfdCreate = libcIntFunction('memfd_create', 'str', 'uint')
const fcntl = libcIntFunction('fcntl', 'int', 'int', 'int')
const sealed = new Map<string, string>()

/** A path under which this process and its children can execute the program at `path`; the copy is made once and kept for good. */
export function sealProgram(path: string): string {
  let copy = sealed.get(path)
  if (copy === undefined) {
    const fd = createMemfd()
    const bytes = readFileSync(path)
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
    checked(fcntl(fd, F_ADD_SEALS, SEAL_ALL), 'fcntl', path)
    copy = `/proc/self/fd/${fd}`
    sealed.set(path, copy)
  }
  return copy
}

function createMemfd(): number {
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING
  const fd = memfdCreate('berth-shim', flags | MFD_EXEC)
  if (fd >= 0 || errno() !== ERRNO.EINVAL) return checked(fd, 'memfd_create', 'berth-shim')
  return checked(memfdCreate('berth-shim', flags), 'memfd_create', 'berth-shim')
}
