// The daemon's pid file, and the lock that keeps a second engine off the same data.
import { mkdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { readTextIfExists, replaceFileSync } from '../base/atomic-file.ts'
import { Failure } from '../base/failure.ts'
import type { Kernel } from '../linux/kernel.ts'
import { tryLockFile } from '../linux/lock-file.ts'

/** Throws in Docker's words when the process it names is a living engine; a pid that another program got since is no hindrance. */
export function writePidFile(path: string, programName: string): void {
  const pid = Number(readTextIfExists(path)?.trim() || 0)
  if (pid > 0 && pid !== process.pid && isProgram(pid, programName))
    throw new Failure(
      'already-exists',
      `failed to start daemon, ensure berthd is not running or delete ${path}: process with PID ${pid} is still running`,
    )
  mkdirSync(dirname(path), { recursive: true })
  replaceFileSync(path, String(process.pid), 0o644)
}

export function removePidFile(path: string): void {
  if (Number(readTextIfExists(path)?.trim()) === process.pid) rmSync(path, { force: true })
}

/**
 * Held until it is given back by calling the result, or this process ends, however it ends. Two engines on one data root would destroy it.
 * Makes the directory where there is none.
 */
export function lockDataRoot(kernel: Pick<Kernel, 'flock'>, dataRoot: string): () => void {
  mkdirSync(dataRoot, { recursive: true, mode: 0o710 })
  const release = tryLockFile(kernel, join(dataRoot, 'lock'))
  if (release === undefined)
    throw new Failure('already-exists', `another engine is running on the data root ${dataRoot}`)
  return release
}

/** A process of that name lives: by the title that our programs give themselves, or, in the moment before, by its command line. */
export function isProgram(pid: number, name: string): boolean {
  try {
    if (/^State:\s+[ZX]/m.test(readTextIfExists(`/proc/${pid}/status`) ?? 'State: X')) return false
    const [program = '', script = ''] = (readTextIfExists(`/proc/${pid}/cmdline`) ?? '')
      .split('\0')
      .filter((word) => !word.startsWith('--'))
    return basename(program) === name || basename(script).replace(/\.js$/, '') === name
  } catch {
    return false // it ended between open and read
  }
}
