// The containers' states on disk: `<root>/<id>/state.json`, with runc's main keys for those who read them, and ours beside (docs/formats/runtime-state.md).
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFileSync } from '../base/atomic-file.ts'
import { Failure, isFailure, messageOf } from '../base/failure.ts'
import type { CgroupRecord } from '../linux/cgroup/cgroup.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { systemClock } from '../base/clock.ts'
import type { RuntimeSpec } from '../oci/runtime-spec.ts'
import type { StartFailures } from './start-failures.ts'
import { unmountCriuRoot } from './criu/criu-root.ts'
import { parseState } from './parse-state.ts'

export interface ContainerRecord {
  version: 1
  id: string
  bundle: string
  rootfs: string
  /** RFC 3339 with nanoseconds. */
  created: string
  /** 0 until the process is there. */
  pid: number
  startTicks: number
  /** Who makes it: a record without a process whose maker is gone is what a crash left. */
  maker: { pid: number; startTicks: number }
  isCreated: boolean
  isRootless: boolean
  /** undefined with --cgroup-manager disabled, and until the group is known. */
  cgroup: CgroupRecord | undefined
  startFailures: StartFailures
  /** Mount of the notify socket and its like: directories on the host that go with the container. */
  resctrlGroup: string | undefined
  /** The standard streams that its first process was given; none where it has a terminal. */
  criuExternals: readonly string[]
  spec: RuntimeSpec
}

const STATE = 'state.json'
const LOCK_POLL_MS = 10

export function directoryOf(root: string, id: string): string {
  return join(root, checkId(id))
}

/** Throws Failure('invalid-argument') for what may be no file name. */
export function checkId(id: string): string {
  if (!/^[\w+.-]{1,1024}$/.test(id) || id === '.' || id === '..')
    throw new Failure('invalid-argument', 'invalid container ID format')
  return id
}

/** Takes the id. Throws Failure('already-exists'). */
export function makeStateDirectory(root: string, id: string): string {
  const directory = directoryOf(root, id)
  mkdirSync(root, { recursive: true, mode: 0o700 })
  try {
    mkdirSync(directory, { mode: 0o711 })
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error
    throw new Failure('already-exists', 'container with given ID already exists')
  }
  return directory
}

export function writeState(root: string, record: ContainerRecord): void {
  replaceFileSync(join(directoryOf(root, record.id), STATE), JSON.stringify(encodeState(record)))
}

/** Throws Failure('not-found'). */
export function loadState(root: string, id: string): ContainerRecord {
  const state = findState(root, id)
  if (state === undefined) throw doesNotExist()
  return state
}

/** undefined where there is none; a directory without a readable state counts as none. */
export function findState(root: string, id: string): ContainerRecord | undefined {
  let text: string
  try {
    text = readFileSync(join(directoryOf(root, id), STATE), 'utf8')
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR') || isFailure(error, 'invalid-argument')) return undefined
    throw error
  }
  try {
    return parseState(text)
  } catch (error) {
    throw new Failure('data-loss', `state of ${id}: ${messageOf(error)}`, { cause: error })
  }
}

export function doesNotExist(): Failure {
  return new Failure('not-found', 'container does not exist')
}

export function hasStateDirectory(root: string, id: string): boolean {
  return listIds(root).includes(id)
}

export function listIds(root: string): string[] {
  try {
    return readdirSync(root, { withFileTypes: true })
      .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
      .sort()
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return []
    throw error
  }
}

export function removeStateDirectory(root: string, id: string): void {
  const directory = directoryOf(root, id)
  unmountCriuRoot(directory) // before anything is removed: what is mounted there is the container's own root file system
  rmSync(directory, { recursive: true, force: true })
}

const LOCK_EX = 2
const LOCK_NB = 4

/** One change of a container at a time. The lock is on its directory, and goes with the process that holds it. */
export async function lockState(root: string, id: string, limitMs: number): Promise<Disposable | undefined> {
  const kernel = openNativeKernel()
  let fd: number
  try {
    fd = openSync(directoryOf(root, id), 'r')
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) throw doesNotExist()
    throw error
  }
  const deadline = performance.now() + limitMs
  for (;;) {
    try {
      kernel.flock(fd, LOCK_EX | LOCK_NB)
      return { [Symbol.dispose]: () => closeSync(fd) }
    } catch (error) {
      if (!hasErrno(error, 'EAGAIN') || performance.now() >= deadline) {
        closeSync(fd)
        if (hasErrno(error, 'EAGAIN')) return undefined
        throw error
      }
    }
    await systemClock.sleep(LOCK_POLL_MS)
  }
}

const BUSY_LIMIT_MS = 60_000

/** The same for those who can only wait. Throws Failure('unavailable') where another holds it for a minute. */
export async function requireLock(root: string, id: string): Promise<Disposable> {
  const lock = await lockState(root, id, BUSY_LIMIT_MS)
  if (lock === undefined) throw new Failure('unavailable', `container ${id} is being changed by another process`)
  return lock
}

const NAMESPACES = {
  NEWCGROUP: 'cgroup',
  NEWIPC: 'ipc',
  NEWNET: 'net',
  NEWNS: 'mnt',
  NEWPID: 'pid',
  NEWUSER: 'user',
  NEWUTS: 'uts',
}

function encodeState(record: ContainerRecord): object {
  const { id, pid, startTicks, created, rootfs, bundle, spec, ...ours } = record
  return {
    id,
    init_process_pid: pid,
    init_process_start: startTicks,
    created,
    rootless: record.isRootless,
    cgroup_paths: record.cgroup?.paths ?? {},
    namespace_paths:
      pid === 0
        ? {}
        : Object.fromEntries(Object.entries(NAMESPACES).map(([key, name]) => [key, `/proc/${pid}/ns/${name}`])),
    external_descriptors: record.criuExternals,
    intel_rdt_path: record.resctrlGroup ?? '',
    config: {
      rootfs,
      hostname: spec.hostname ?? '',
      labels: [...Object.entries(spec.annotations ?? {}).map(([key, value]) => `${key}=${value}`), `bundle=${bundle}`],
      version: spec.ociVersion,
    },
    berth: { ...ours, rootfs, bundle, spec },
  }
}
