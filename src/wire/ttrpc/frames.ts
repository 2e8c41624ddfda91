// ttrpc's frames: ten bytes of header (length, stream, type, flags; big-endian), then the data.
import { Failure } from '../../base/failure.ts'

const HEADER_BYTES = 10

/** The protocol's own limit, for both directions. Two ends of ours may agree on another. */
export const DATA_BYTES_MAX = 4 << 20

export const FRAME_TYPE = { request: 1, response: 2, data: 3 } as const

/** Of streaming calls (ttrpc 1.2): what the sender of the frame says of itself. */
export const FRAME_FLAG = { remoteClosed: 1, remoteOpen: 2, noData: 4 } as const

export interface Frame {
  streamId: number
  type: number
  flags: number
  /** Undefined where the frame was longer than the limit, and skipped. */
  data: Buffer | undefined
  /** As the header says. */
  length: number
}

export function encodeFrame(
  streamId: number,
  type: number,
  data: Uint8Array,
  flags = 0,
  bytesMax = DATA_BYTES_MAX,
): Buffer {
  if (data.length > bytesMax) throw oversized(data.length, bytesMax)
  const frame = Buffer.allocUnsafe(HEADER_BYTES + data.length)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(streamId, 4)
  frame[8] = type
  frame[9] = flags
  frame.set(data, HEADER_BYTES)
  return frame
}

/** In the words of ttrpc's own implementation. */
export function oversized(length: number, bytesMax = DATA_BYTES_MAX): Failure {
  return new Failure('resource-exhausted', `message length ${length} exceed maximum message size of ${bytesMax}`)
}

/** Cuts a byte stream into frames; never holds more than one of them. */
export class FrameParser {
  readonly #bytesMax: number
  #chunks: Buffer[] = []
  #size = 0
  #needed = HEADER_BYTES
  #skip = 0

  constructor(bytesMax = DATA_BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  /** The frames that this chunk completes. */
  push(chunk: Buffer): Frame[] {
    const kept = this.#skipped(chunk)
    if (kept.length === 0) return []
    this.#chunks.push(kept)
    this.#size += kept.length
    if (this.#size < this.#needed) return []
    let bytes = this.#chunks.length === 1 ? kept : Buffer.concat(this.#chunks, this.#size)
    const frames: Frame[] = []
    this.#needed = HEADER_BYTES
    while (bytes.length >= HEADER_BYTES) {
      const length = bytes.readUInt32BE(0)
      const end = HEADER_BYTES + length
      const isOversized = length > this.#bytesMax
      if (!isOversized && bytes.length < end) {
        this.#needed = end
        break
      }
      const data = isOversized ? undefined : bytes.subarray(HEADER_BYTES, end)
      frames.push({ streamId: bytes.readUInt32BE(4), type: bytes[8] ?? 0, flags: bytes[9] ?? 0, data, length })
      this.#skip = Math.max(0, end - bytes.length)
      bytes = bytes.subarray(end)
    }
    this.#chunks = bytes.length === 0 ? [] : [bytes]
    this.#size = bytes.length
    return frames
  }

  /** What is left of the chunk after the rest of an oversized frame. */
  #skipped(chunk: Buffer): Buffer {
    const skip = Math.min(this.#skip, chunk.length)
    this.#skip -= skip
    return skip === 0 ? chunk : chunk.subarray(skip)
  }
}
