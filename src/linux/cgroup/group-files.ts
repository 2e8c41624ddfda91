// Reading and writing the small files of a group. They are the kernel's, so that synchronous calls take microseconds.
import { closeSync, constants, mkdirSync, openSync, readFileSync, readdirSync, rmdirSync, writeSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import { ERRNO, errnoText, hasErrno, KernelError } from '../kernel-error.ts'

/** One value for one file; groups take a single write each. */
export interface FileWrite {
  file: string
  value: string
  /** What some kernels do not have, and what does no harm where it is missing. */
  optional?: true
  /** Depends on another write of the same list: where it is EINVAL now, it is tried again at the end. */
  deferrable?: true
}

/** Writes all in their order, but what must wait for others. */
export function applyWrites<T extends FileWrite>(writes: readonly T[], apply: (write: T) => void): void {
  const deferred: T[] = []
  for (const write of writes) {
    try {
      apply(write)
    } catch (error) {
      if (write.optional && hasErrno(error, 'ENOENT')) continue
      if (!write.deferrable || !hasErrno(error, 'EINVAL')) throw error
      deferred.push(write)
    }
  }
  for (const write of deferred) apply(write)
}

/** Throws KernelError with what was written, since the kernel says no more than EINVAL. */
export function writeGroupFile(directory: string, { file, value }: FileWrite): void {
  const path = join(directory, file)
  try {
    const fd = openSync(path, constants.O_WRONLY | constants.O_TRUNC) // not O_CREAT: what is missing would be EPERM
    try {
      writeSync(fd, value)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    const errno = error instanceof Error && 'errno' in error ? Math.abs(Number(error.errno)) : 0
    throw new KernelError('write', `${JSON.stringify(value)} to ${path}`, errno === 0 ? ERRNO.EIO : errno)
  }
}

/** undefined where the group or the file is not there: a missing controller, an older kernel, a group that is gone. */
export function readGroupFile(directory: string, file: string): string | undefined {
  try {
    return readFileSync(join(directory, file), 'utf8')
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP')) return undefined
    throw error
  }
}

/** None where the group is not there. */
export function listGroupFiles(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENODEV')) return []
    throw error
  }
}

/** `max` and what is not there are undefined. */
export function readNumber(directory: string, file: string): bigint | undefined {
  const text = readGroupFile(directory, file)?.trim()
  return text !== undefined && /^-?\d+$/.test(text) ? BigInt(text) : undefined
}

/** `key value` lines; what is not of this form is passed over. */
export function readPairs(directory: string, file: string): Record<string, bigint> {
  return parsePairs(readGroupFile(directory, file) ?? '')
}

export function parsePairs(text: string): Record<string, bigint> {
  const pairs: Record<string, bigint> = {}
  for (const line of text.split('\n')) {
    const [key = '', value = ''] = line.split(' ')
    if (/^\d+$/.test(value)) pairs[key] = BigInt(value)
  }
  return pairs
}

/** @returns whether it was made now; false where it was there. `onMade` is told of every missing level, outermost first. */
export function makeGroup(directory: string, onMade: (directory: string) => void = () => {}): boolean {
  try {
    mkdirSync(directory, 0o755)
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false
    if (!hasErrno(error, 'ENOENT')) throw asFailure(directory, error)
    makeGroup(dirname(directory), onMade)
    try {
      mkdirSync(directory, 0o755)
    } catch (again) {
      throw asFailure(directory, again)
    }
  }
  onMade(directory)
  return true
}

function asFailure(directory: string, error: unknown): Failure {
  const errno = error instanceof Error && 'errno' in error ? Math.abs(Number(error.errno)) : 0
  return errno === 0
    ? new Failure('internal', `cgroup ${directory}: ${messageOf(error)}`)
    : new KernelError('mkdir', `cgroup ${directory}`, errno)
}

/** Processes of the group and all below it. */
export function pidsBelow(directory: string): number[] {
  return [...pidsIn(directory), ...childGroups(directory).flatMap(pidsBelow)]
}

/** Of the group alone. A threaded group does not tell processes, but threads. */
export function pidsIn(directory: string): number[] {
  const text = readGroupFile(directory, 'cgroup.procs') ?? readGroupFile(directory, 'cgroup.threads') ?? ''
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
}

const ADD_TRIES = 5
const ADD_RETRY_MS = 30

/** Moves a process with all its threads. EINVAL may mean one that is being born (TASK_NEW): that passes. */
export async function addProcess(directory: string, pid: number): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      writeGroupFile(directory, { file: 'cgroup.procs', value: String(pid) })
      return
    } catch (error) {
      if (tries === ADD_TRIES || !hasErrno(error, 'EINVAL')) throw error
      await systemClock.sleep(ADD_RETRY_MS)
    }
  }
}

export function childGroups(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(directory, entry.name))
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENODEV')) return []
    throw error
  }
}

const REMOVE_TIMEOUT_MS = 10_000

/** Removes the group and all below it; waits for dying processes to leave it. Being gone already is fine. */
export async function removeGroup(directory: string): Promise<void> {
  const deadline = performance.now() + REMOVE_TIMEOUT_MS
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 100)) {
    try {
      await rmdir(directory)
      return
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return
      if (!hasErrno(error, 'EBUSY', 'ENOTEMPTY')) throw error
      for (const child of childGroups(directory)) await removeGroup(child)
      if (performance.now() > deadline)
        throw new Failure('failed-precondition', `cgroup ${directory}: ${errnoText(ERRNO.EBUSY)}`)
      await systemClock.sleep(waitMs)
    }
  }
}

/** For undoing a creation: an empty group goes, one in use stays. */
export function removeEmptyGroup(directory: string): void {
  try {
    rmdirSync(directory)
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'EBUSY', 'ENOTEMPTY')) throw error
  }
}

/** cgroup.kill, kernel 5.14: kills all there is at one instant. False where there is no such file. */
export function killByFile(directory: string): boolean {
  try {
    writeGroupFile(directory, { file: 'cgroup.kill', value: '1' })
    return true
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP')) return false
    throw error
  }
}
