// One daemon per data directory.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../base/failure.ts'
import type { Kernel } from '../linux/kernel.ts'
import { tryLockFile } from '../linux/lock-file.ts'
import { failpoint } from './failpoints.ts'

/**
 * Held until closed or until this process ends, however it ends. Nobody but root may look into the directory from here on: what images hold
 * may be set-user-ID, what specs hold may be secret. The file then holds this process's pid: an engine that lost sight of us finds us by it. Throws `already-exists` when another process holds it.
 */
export function lockRoot(kernel: Pick<Kernel, 'flock'>, root: string): Disposable {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  chmodSync(root, 0o700)
  const release = tryLockFile(kernel, join(root, 'lock'))
  if (release === undefined) throw new Failure('already-exists', `${root} is in use by another process`)
  failpoint('lock.taken')
  writeFileSync(join(root, 'lock'), String(process.pid))
  failpoint('lock.pid-written')
  return { [Symbol.dispose]: release }
}
