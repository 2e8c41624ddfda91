// In the foreground: signals go on to the process, and its end ends us.
import { read } from 'node:fs'
import { Failure } from '../base/failure.ts'
import { type ChannelMessage, decodeMessage, MESSAGE, stepFailure } from './follow-birth.ts'
import { SIGNALS } from './signals.ts'
import { exitStatus, type SpawnedInit, waitForChild } from './spawn-init.ts'

const MESSAGE_SIZE_MAX = 128 << 10

/** Ours to handle, or nobody's. SIGWINCH and what a terminal's job control sends concern berth-init, which is in our group where there is one. */
const NOT_PASSED_ON = new Set([
  'SIGKILL',
  'SIGSTOP',
  'SIGCHLD',
  'SIGPIPE',
  'SIGURG',
  'SIGWINCH',
  'SIGPROF',
  'SIGVTALRM',
  'SIGALRM',
])
/** What the processor raises means this program. */
const OWN_FAULTS = new Set([
  'SIGSEGV',
  'SIGBUS',
  'SIGILL',
  'SIGFPE',
  'SIGTRAP',
  'SIGABRT',
  'SIGIOT',
  'SIGSYS',
  'SIGSTKFLT',
  'SIGPWR',
  'SIGXFSZ',
  'SIGXCPU',
])

/** Resolves with the exit status when berth-init has told the end, 128 + signal for one that was killed. Throws StepFailure. */
export async function followProcess(init: SpawnedInit): Promise<number> {
  const stop = passSignalsOn(init.pid)
  try {
    for (;;) {
      const message = await nextMessage(init.channel)
      if (message === undefined) {
        const status = waitForChild(init.pid)
        throw new Failure('internal', `berth-init ended with ${status} before its process`)
      }
      if (message.kind === MESSAGE.failed) {
        waitForChild(init.pid)
        throw stepFailure(message, '')
      }
      if (message.kind === MESSAGE.exited) {
        waitForChild(init.pid)
        return exitStatus(message.step)
      }
    }
  } finally {
    stop()
  }
}

/** Read in a thread of the pool, so that signals find us awake. */
function nextMessage(channel: number): Promise<ChannelMessage | undefined> {
  const bytes = Buffer.allocUnsafe(MESSAGE_SIZE_MAX)
  return new Promise((resolve, reject) => {
    read(channel, bytes, 0, bytes.length, null, (error, size) => {
      if (error === null) resolve(decodeMessage(bytes.subarray(0, size)))
      else reject(error)
    })
  })
}

/** @returns what ends it. */
export function passSignalsOn(pid: number): () => void {
  const names = [...SIGNALS.keys()].filter((name) => !NOT_PASSED_ON.has(name) && !OWN_FAULTS.has(name))
  const stops = names.flatMap((name) => {
    const pass = (_: string, number: number) => {
      try {
        process.kill(pid, number)
      } catch {
        // it has just ended; so do we
      }
    }
    try {
      process.on(name, pass)
      return [() => void process.off(name, pass)]
    } catch {
      return [] // this runtime keeps that signal for itself
    }
  })
  return () => {
    for (const stop of stops) stop()
  }
}
