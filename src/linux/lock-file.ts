// A lock that the kernel takes back when its holder ends, however it ends. It is a file's, and no abstract socket's name: such a name anybody
// could take first, on the host or in a container that shares its network.
import { closeSync, openSync } from 'node:fs'
import type { Kernel } from './kernel.ts'
import { hasErrno } from './kernel-error.ts'

const LOCK_EX = 2
const LOCK_NB = 4

/** Undefined where another process (or another part of this one) holds it. Call the result to give it back. */
export function tryLockFile(kernel: Pick<Kernel, 'flock'>, path: string): (() => void) | undefined {
  const file = openSync(path, 'a', 0o600)
  try {
    kernel.flock(file, LOCK_EX | LOCK_NB)
    return () => closeSync(file)
  } catch (error) {
    closeSync(file)
    if (hasErrno(error, 'EAGAIN')) return undefined
    throw error
  }
}
