// Netlink messages (netlink(7)): a sixteen byte header and a payload; several may follow one another in a datagram.
import { Failure } from '../../base/failure.ts'
import { align, asBuffer } from './attributes.ts'

export const MESSAGE_HEADER_SIZE = 16

export const NLM_F_REQUEST = 0x1
export const NLM_F_MULTI = 0x2
export const NLM_F_ACK = 0x4
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_DUMP = 0x300
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800

export const NLMSG_NOOP = 1
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3

/** A message to the kernel; `subject` says in error texts what was asked. The socket sets its sequence number. */
export interface NetlinkRequest {
  subject: string
  bytes: Buffer
}

export interface NetlinkMessage {
  type: number
  flags: number
  sequence: number
  payload: Buffer
}

/** A request of one message with an open sequence number. */
export function request(
  subject: string,
  header: { type: number; flags: number },
  ...parts: readonly Uint8Array[]
): NetlinkRequest {
  const size = parts.reduce((sum, part) => sum + part.length, MESSAGE_HEADER_SIZE)
  const bytes = Buffer.alloc(align(size))
  bytes.writeUInt32LE(size, 0)
  bytes.writeUInt16LE(header.type, 4)
  bytes.writeUInt16LE(header.flags | NLM_F_REQUEST, 6)
  let offset = MESSAGE_HEADER_SIZE
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return { subject, bytes }
}

/** Writes the sequence number, and adds flags, in place. */
export function stamp(bytes: Buffer, sequence: number, flags: number): void {
  bytes.writeUInt16LE(bytes.readUInt16LE(6) | flags, 6)
  bytes.writeUInt32LE(sequence, 8)
}

/** The messages of one datagram. */
export function splitMessages(datagram: Uint8Array): NetlinkMessage[] {
  const buffer = asBuffer(datagram)
  const messages: NetlinkMessage[] = []
  let offset = 0
  while (offset + MESSAGE_HEADER_SIZE <= buffer.length) {
    const size = buffer.readUInt32LE(offset)
    if (size < MESSAGE_HEADER_SIZE || offset + size > buffer.length)
      throw new Failure('internal', `netlink message of ${size} bytes at ${offset} of ${buffer.length}`)
    messages.push({
      type: buffer.readUInt16LE(offset + 4),
      flags: buffer.readUInt16LE(offset + 6),
      sequence: buffer.readUInt32LE(offset + 8),
      payload: buffer.subarray(offset + MESSAGE_HEADER_SIZE, offset + size),
    })
    offset += align(size)
  }
  return messages
}

/** The errno of an NLMSG_ERROR or NLMSG_DONE message, 0 for an acknowledgement. */
export function errnoOf(message: NetlinkMessage): number {
  return message.payload.length >= 4 ? -message.payload.readInt32LE(0) : 0
}
