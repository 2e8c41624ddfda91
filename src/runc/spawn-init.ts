// Starting berth-init with a plan, as native/README.md has it: the process it makes becomes this program's own child.
import { closeSync, writeSync } from 'node:fs'
import { ERRNO, KernelError } from '../linux/kernel-error.ts'
import { checked, errno, libcIntFunction } from '../linux/libc.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import type { ProcessPlan } from '../linux/steps.ts'
import { encodeExecPlan } from '../shim/encode-plan.ts'
import { sealProgram } from '../shim/seal-program.ts'
import { restoreFileLimit } from './file-limit.ts'
import { spawnProgram } from './spawn-program.ts'

const AF_UNIX = 1
const SOCK_SEQPACKET = 5
const SOCK_CLOEXEC = 0o2000000

const WNOHANG = 1

const c = {
  socketpair: libcIntFunction('socketpair', 'int', 'int', 'int', 'ptr'),
  waitpid: libcIntFunction('waitpid', 'int', 'ptr', 'int'),
}

export interface InitRequest {
  /** Path of berth-init. */
  program: string
  plan: ProcessPlan
  /** Descriptors from 3 on that the process keeps. */
  preserved: number
  /** Of the container's first process, for an exec. */
  pidfd?: number
  /** berth-init stays with the process, relays its terminal and tells its end. */
  keep: boolean
}

export interface SpawnedInit {
  /** Of berth-init itself. */
  pid: number
  /** Our end of the channel; the caller closes it. */
  channel: number
}

/** Returns at once; what comes of it is told over the channel. */
export function spawnInit(request: InitRequest): SpawnedInit {
  const kernel = openNativeKernel()
  restoreFileLimit()
  const plan = writePlan(request.plan)
  const [channel, theirs] = makeChannel()
  try {
    const pidfd = request.pidfd ?? -1
    const passed = [0, 1, 2, ...Array.from({ length: request.preserved }, (_, i) => 3 + i), plan, theirs]
    const numbers = [plan, theirs, pidfd, request.preserved].map(String)
    const pid = spawnProgram({
      program: sealProgram(request.program),
      environment: [],
      argv: ['berth-init', ...numbers, ...(request.keep ? ['keep'] : [])],
      descriptors: (pidfd < 0 ? passed : [...passed, pidfd]).map((fd) => [fd, fd]),
      // What is typed at a terminal goes to the foreground group; a container without one gets signals from this program alone.
      ownGroup: request.keep && !request.plan.terminal,
      name: request.program,
    })
    return { pid, channel }
  } catch (error) {
    closeSync(channel)
    throw error
  } finally {
    kernel.close(plan)
    kernel.close(theirs)
  }
}

function writePlan(plan: ProcessPlan): number {
  const fd = openNativeKernel().memfdCreate('plan', 0)
  const bytes = encodeExecPlan(plan)
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
  return fd
}

/** A pair of sockets that keep messages whole; both close themselves in other programs. */
export function makeChannel(): [ours: number, theirs: number] {
  const pair = new Int32Array(2)
  checked(c.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 'socketpair', '')
  return [pair[0] ?? -1, pair[1] ?? -1]
}

/** Waits for a child; returns its exit status, 128 + signal where it was killed; undefined with `isPeek` while it lives. */
export function waitForChild(pid: number, isPeek = false): number | undefined {
  const status = new Int32Array(1)
  for (;;) {
    const result = c.waitpid(pid, status, isPeek ? WNOHANG : 0)
    if (result === 0) return undefined
    if (result > 0) return exitStatus(status[0] ?? 0)
    if (errno() !== ERRNO.EINTR) throw new KernelError('waitpid', String(pid), errno())
  }
}

const SIGNAL_BASE = 128

/** What a shell says of a wait status. */
export function exitStatus(bits: number): number {
  const signal = bits & 0x7f
  return signal === 0 ? (bits >> 8) & 0xff : SIGNAL_BASE + signal
}
