// Descriptors of ours that the container gets from 3 on: those of socket activation (sd_listen_fds(3)), then --preserve-fds.
import { readlinkSync } from 'node:fs'
import { Failure } from '../base/failure.ts'
import type { Options } from './parse-options.ts'

const FIRST = 3

export interface PassedDescriptors {
  count: number
  /** Variables that tell the container of the activated ones; it is always the first process there. */
  environment: string[]
}

export function findPassedDescriptors(options: Options, environment: NodeJS.ProcessEnv): PassedDescriptors {
  const activated = countActivated(environment)
  const preserved = options.integer('preserve-fds') ?? 0
  if (preserved < 0) throw new Failure('invalid-argument', `--preserve-fds: ${preserved} is negative`)
  for (let at = 0; at < preserved; at++) requireOpen(FIRST + activated + at, at, preserved)
  return {
    count: activated + preserved,
    environment: activated === 0 ? [] : [`LISTEN_FDS=${activated}`, 'LISTEN_PID=1'],
  }
}

/** Only what is addressed to this very process is ours to hand on. */
function countActivated(environment: NodeJS.ProcessEnv): number {
  if (environment['LISTEN_PID'] !== String(process.pid)) return 0
  const count = Number(environment['LISTEN_FDS'])
  return Number.isSafeInteger(count) && count > 0 ? count : 0
}

function requireOpen(fd: number, at: number, all: number): void {
  // Where the caller left a gap the runtime below us has its event queue, the first thing that it opens.
  if (targetOf(fd) !== EVENT_QUEUE) return
  const text = `unable to stat preserved-fd ${at} (of ${all}): stat /proc/self/fd/${fd}: no such file or directory`
  throw new Failure('invalid-argument', text)
}

const EVENT_QUEUE = 'anon_inode:[eventpoll]'

function targetOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return EVENT_QUEUE // not open at all
  }
}
