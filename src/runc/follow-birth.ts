// What berth-init and the process it makes tell over the channel, up to `created` (native/README.md, "Two stages, sync points, hooks").
import { readSync, writeSync } from 'node:fs'
import { Failure } from '../base/failure.ts'
import { codeOfErrno, errnoText } from '../linux/kernel-error.ts'
import { SYNC, type SyncPoint } from '../linux/steps.ts'
import { StepFailure } from '../shim/shim.ts'
import { type SpawnedInit, waitForChild } from './spawn-init.ts'

export const MESSAGE = {
  created: 1,
  failed: 2,
  terminal: 3,
  cloned: 4,
  sync: 5,
  exited: 6,
  executed: 7,
  hook: 8,
} as const

export interface ChannelMessage {
  kind: number
  step: number
  error: number
  /** What a failed hook wrote. */
  text: string
}

const HEADER_SIZE = 12
const MESSAGE_SIZE_MAX = 128 << 10
const NO_STEP = 0xffffffff

/** The next message; undefined at the end of the channel. Blocks. */
export function readMessage(channel: number): ChannelMessage | undefined {
  const bytes = Buffer.allocUnsafe(MESSAGE_SIZE_MAX)
  let size: number
  try {
    size = readSync(channel, bytes, 0, bytes.length, null)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return undefined
    throw error
  }
  return decodeMessage(bytes.subarray(0, size))
}

export function decodeMessage(bytes: Buffer): ChannelMessage | undefined {
  if (bytes.length < HEADER_SIZE) return undefined
  return {
    kind: bytes.readUInt32LE(0),
    step: bytes.readUInt32LE(4),
    error: bytes.readUInt32LE(8),
    text: bytes.toString('utf8', HEADER_SIZE),
  }
}

/** Lets a waiting process proceed; it keeps `state` for its hooks. */
export function sendWord(channel: number, state: string): void {
  const word = Buffer.from(`s${state}`)
  if (writeSync(channel, word) !== word.length) throw new Failure('internal', 'the process took half a word')
}

export interface BirthHandlers {
  /** Told once or, where the process makes itself anew, twice: the last pid counts. */
  onCloned(pid: number): void
  onSync(request: { point: SyncPoint; value: number; pid: number }): Promise<string>
}

/**
 * Resolves with the pid when the process waits for its start. Throws StepFailure (with the failed hook's words as its cause, where there are
 * any) or what `onSync` threw; berth-init and the process are gone then, the channel stays the caller's to close.
 */
export async function followBirth(init: SpawnedInit, keep: boolean, handlers: BirthHandlers): Promise<number> {
  let pid = 0
  let words = ''
  for (;;) {
    const message = readMessage(init.channel)
    switch (message?.kind) {
      case MESSAGE.cloned:
        pid = message.step
        handlers.onCloned(pid)
        break
      case MESSAGE.hook:
        words += message.text
        break
      case MESSAGE.sync:
        sendWord(init.channel, await handlers.onSync({ point: pointOf(message.step), value: message.error, pid }))
        break
      case MESSAGE.created:
        if (!keep) waitForChild(init.pid)
        return pid
      case MESSAGE.failed:
        throw stepFailure(message, words)
      case undefined:
        throw endedEarly(init, keep)
      default:
        break
    }
  }
}

/** For a process that nobody keeps company: returns when it has been executed, which closes the channel. Throws StepFailure. */
export function requireExecuted(init: SpawnedInit): void {
  for (let message = readMessage(init.channel); message !== undefined; message = readMessage(init.channel))
    if (message.kind === MESSAGE.failed) throw stepFailure(message, '')
}

export function stepFailure(message: ChannelMessage, words: string): StepFailure {
  const step = message.step === NO_STEP ? undefined : message.step
  return Object.assign(new StepFailure(step, message.error), words === '' ? {} : { cause: words })
}

function pointOf(value: number): SyncPoint {
  const point = Object.values(SYNC).find((each) => each === value)
  if (point === undefined) throw new Failure('internal', `the process stopped at the unknown point ${value}`)
  return point
}

/** berth-init's exit status is an errno where it could not even begin. */
function endedEarly(init: SpawnedInit, keep: boolean): Failure {
  const status = waitForChild(init.pid) ?? 0
  if (!keep && status === 0) return new Failure('internal', 'container process ended before it was created')
  return new Failure(codeOfErrno(status), `berth-init: ${errnoText(status)}`)
}
