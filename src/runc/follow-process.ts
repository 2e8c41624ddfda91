// In the foreground: signals go on to the process, and its end ends us.
import { read } from 'node:fs'
import { constants } from 'node:os'
import { promisify } from 'node:util'
import { Failure } from '../base/failure.ts'
import { type ChannelMessage, decodeMessage, MESSAGE, stepFailure } from './follow-birth.ts'
import { exitStatus, type SpawnedInit, waitForChild } from './spawn-init.ts'

const readAsync = promisify(read)
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
async function nextMessage(channel: number): Promise<ChannelMessage | undefined> {
  const bytes = Buffer.allocUnsafe(MESSAGE_SIZE_MAX)
  const { bytesRead } = await readAsync(channel, bytes, 0, bytes.length, null)
  return decodeMessage(bytes.subarray(0, bytesRead))
}

function passSignalsOn(pid: number): () => void {
  const names = Object.keys(constants.signals).filter((name) => !NOT_PASSED_ON.has(name) && !OWN_FAULTS.has(name))
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
