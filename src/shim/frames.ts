// The control protocol's frames (native/README.md, "Control protocol"): `u32 length, u16 type, u16 request`, then the payload.
import { Failure } from '../base/failure.ts'
import { SYNC, type SyncPoint } from '../linux/steps.ts'
import { decodeHookReport } from './hook-report.ts'
import { type ProcessState, StepFailure, type SyncRequest } from './shim.ts'

export const FRAME = {
  hello: 1,
  start: 2,
  add: 3,
  kill: 4,
  resize: 5,
  closeStdin: 6,
  state: 7,
  remove: 8,
  shutdown: 9,
  proceed: 10,
  started: 11,
  ok: 16,
  error: 17,
  process: 18,
  sync: 19,
  inputEnd: 20,
} as const

const HEADER_SIZE = 8
const PAYLOAD_MAX = 64 << 10
/** What of a request a process's name and the lengths leave. */
const STATE_MAX = PAYLOAD_MAX - 256
const NO_STEP = 0xffffffff
const STATES = ['created', 'running', 'exited'] as const

export interface Frame {
  type: number
  request: number
  payload: Buffer
}

export function encodeFrame(type: number, request: number, ...parts: readonly Uint8Array[]): Buffer {
  const payload = Buffer.concat(parts)
  const header = Buffer.allocUnsafe(HEADER_SIZE)
  header.writeUInt32LE(payload.length, 0)
  header.writeUInt16LE(type, 4)
  header.writeUInt16LE(request, 6)
  return Buffer.concat([header, payload])
}

/** `u16 length, bytes`. */
export function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text)
  if (bytes.length > 0xffff) throw new Failure('invalid-argument', 'shim: text too long')
  return Buffer.concat([encodeNumbers([bytes.length, 2]), bytes])
}

/** `u32 length, bytes`: a container's state. */
export function encodeState(state: string): Buffer {
  const bytes = Buffer.from(state)
  if (bytes.length > STATE_MAX)
    throw new Failure('invalid-argument', `state for hooks: ${bytes.length} bytes, at most ${STATE_MAX} are possible`)
  return Buffer.concat([encodeNumbers([bytes.length, 4]), bytes])
}

/** Little-endian numbers of the given sizes. */
export function encodeNumbers(...numbers: readonly (readonly [value: number, size: 2 | 4])[]): Buffer {
  const bytes = Buffer.alloc(numbers.reduce((sum, [, size]) => sum + size, 0))
  let at = 0
  for (const [value, size] of numbers) at = bytes.writeUIntLE(value, at, size)
  return bytes
}

/** Cuts a byte stream into frames; `push` throws Failure('data-loss') on a frame that is too long. */
export class FrameDecoder {
  private rest: Buffer = Buffer.alloc(0)

  /** The frames that `chunk` completes. */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = []
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    while (this.rest.length >= HEADER_SIZE) {
      const length = this.rest.readUInt32LE(0)
      if (length > PAYLOAD_MAX) throw new Failure('data-loss', `shim: frame of ${length} bytes`)
      const end = HEADER_SIZE + length
      if (this.rest.length < end) break
      const frame = this.rest
      this.rest = frame.subarray(end)
      frames.push({
        type: frame.readUInt16LE(4),
        request: frame.readUInt16LE(6),
        payload: frame.subarray(HEADER_SIZE, end),
      })
    }
    return frames
  }
}

/** Throws a RangeError on a payload that is too short; so do the other decoders. */
export function decodeHello(payload: Buffer): { version: number; shimPid: number } {
  return { version: payload.readUInt16LE(0), shimPid: payload.readUInt32LE(2) }
}

export function decodeError(payload: Buffer): StepFailure {
  const step = payload.readUInt32LE(0)
  const hook = decodeHookReport(payload.subarray(8))
  return new StepFailure(step === NO_STEP ? undefined : step, payload.readUInt32LE(4), hook)
}

export function decodeProcess(payload: Buffer): ProcessState {
  const size = payload.readUInt16LE(0)
  const at = 2 + size
  const state = STATES[payload.readUInt8(at)]
  if (state === undefined) throw new RangeError(`shim: process state ${payload.readUInt8(at)}`)
  const exitedAtNs = payload.readBigUInt64LE(at + 9) * 1_000_000_000n + BigInt(payload.readUInt32LE(at + 17))
  return {
    process: payload.toString('utf8', 2, at),
    state,
    pid: payload.readUInt32LE(at + 1),
    exit: state === 'exited' ? { code: payload.readUInt32LE(at + 5), exitedAtNs } : undefined,
  }
}

export function decodeName(payload: Buffer): string {
  return payload.toString('utf8', 2, 2 + payload.readUInt16LE(0))
}

export function decodeSync(payload: Buffer): SyncRequest {
  const at = 2 + payload.readUInt16LE(0)
  const point = payload.readUInt32LE(at)
  if (!isSyncPoint(point)) throw new RangeError(`shim: sync point ${point}`)
  const process = payload.toString('utf8', 2, at)
  return { process, point, value: payload.readUInt32LE(at + 4), pid: payload.readUInt32LE(at + 8) }
}

function isSyncPoint(point: number): point is SyncPoint {
  return Object.values(SYNC).some((known) => known === point)
}
