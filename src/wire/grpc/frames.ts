// gRPC's length-prefixed messages: one byte of flags, four of length, the message.
import { Failure } from '../../base/failure.ts'

export const PREFIX_BYTES = 5

/** As containerd's own limit for both directions. */
export const MESSAGE_BYTES_MAX = 16 << 20

export function encodeFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length)
  frame[0] = 0
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, PREFIX_BYTES)
  return frame
}

/** A google.protobuf.Any in its frame. By hand: streams of bytes are made of them, and the library copies each four times. */
export function encodeAnyFrame(any: { typeUrl: string; value: Uint8Array }): Buffer {
  const { typeUrl, value } = any
  const head: number[] = []
  const name = Buffer.from(typeUrl)
  if (name.length > 0) head.push(ANY_TYPE_TAG, ...varint(name.length), ...name)
  if (value.length > 0) head.push(ANY_VALUE_TAG, ...varint(value.length))
  const length = head.length + value.length
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + length)
  frame[0] = 0
  frame.writeUInt32BE(length, 1)
  frame.set(head, PREFIX_BYTES)
  frame.set(value, PREFIX_BYTES + head.length)
  return frame
}

/** Fields 1 and 2, length-delimited. */
const ANY_TYPE_TAG = 0x0a
const ANY_VALUE_TAG = 0x12

/** Of a length. */
export function varint(value: number): number[] {
  const bytes: number[] = []
  let left = value
  for (; left > 0x7f; left >>>= 7) bytes.push((left & 0x7f) | 0x80)
  bytes.push(left)
  return bytes
}

/** Cuts a byte stream into messages of at most `bytesMax`. */
export class FrameParser {
  readonly #bytesMax: number
  #chunks: Buffer[] = []
  #size = 0
  #needed = PREFIX_BYTES

  constructor(bytesMax = MESSAGE_BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  /** The messages that this chunk completes. Throws on one that is too large or compressed (no encoding is ever agreed on). */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < this.#needed) return []
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#size)
    const messages: Buffer[] = []
    let at = 0
    this.#needed = PREFIX_BYTES
    while (bytes.length - at >= PREFIX_BYTES) {
      const length = checkPrefix(bytes, at, this.#bytesMax)
      if (bytes.length - at < PREFIX_BYTES + length) {
        this.#needed = PREFIX_BYTES + length
        break
      }
      messages.push(bytes.subarray(at + PREFIX_BYTES, at + PREFIX_BYTES + length))
      at += PREFIX_BYTES + length
    }
    this.#chunks = at === bytes.length ? [] : [bytes.subarray(at)]
    this.#size = bytes.length - at
    return messages
  }

  /** Throws where the stream ended within a message. */
  end(): void {
    if (this.#size > 0) throw new Failure('internal', 'grpc: the stream ended within a message')
  }
}

function checkPrefix(bytes: Buffer, at: number, bytesMax: number): number {
  if (bytes[at] !== 0) throw new Failure('unimplemented', 'grpc: compressed messages are not supported')
  const length = bytes.readUInt32BE(at + 1)
  if (length > bytesMax)
    throw new Failure('resource-exhausted', `grpc: received message larger than max (${length} vs. ${bytesMax})`)
  return length
}
