// One daemon per data directory.
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../base/failure.ts'
import type { Kernel } from '../linux/kernel.ts'
import { hasErrno } from '../linux/kernel-error.ts'

const LOCK_EX = 2
const LOCK_NB = 4

/**
 * Held until closed or until this process ends, however it ends. A file's lock, and not an abstract socket's name: that anybody could take,
 * on the host or in a container that shares its network. Nobody but root may look into the directory from here on: what images hold
 * may be set-user-ID, what specs hold may be secret. Throws `already-exists` when another process holds it.
 */
export function lockRoot(kernel: Pick<Kernel, 'flock'>, root: string): Disposable {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  chmodSync(root, 0o700)
  const file = openSync(join(root, 'lock'), 'a', 0o600)
  try {
    kernel.flock(file, LOCK_EX | LOCK_NB)
  } catch (error) {
    closeSync(file)
    if (!hasErrno(error, 'EAGAIN')) throw error
    throw new Failure('already-exists', `${root} is in use by another process`, { cause: error })
  }
  return { [Symbol.dispose]: () => closeSync(file) }
}
